// What a page costs more because its customer's last event has just come: work that the page would not have without it.
//
//   rapport_freshness STORE --customers 300 [--events-min 150] [--events-max 250] [--count 20]
//
// STORE (a copy: it is written to) holds customers and a model in service. For each customer with that many events:
//   after its own event:  the page's first item is viewed, the write acknowledged; then the page under NOT viewed
//   after another's:      somebody else views something, acknowledged; then the same page
// Both come after a durable write, whose waiting leaves the processor's caches as cold; what differs is the customer's
// event. Order: another's four times, the own, another's. The extra is the page after the own event less the mean of
// its two neighbours; the second page after another's event against its two neighbours says how far equal pages lie
// apart. Time is the asking thread's own processor time.
//
// Prints one line of JSON: {"customers", "events_median", "changed", "page_us_p50", "extra_us": {...}, "noise_us":
// {...}, "view_us": {...}, "view_kept_us": {...}}; ends with 3 when a page still shows the item. The last two: the part
// of the page that finds the customer and its view, after the own event and after another's.
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "data/store.h"
#include "engine/engine.h"

namespace {

using namespace rapport;

[[noreturn]] void Fail(const std::string& what, int code = 1) {
  std::fprintf(stderr, "rapport_freshness: %s\n", what.c_str());
  std::exit(code);
}

struct Options {
  std::string store;
  size_t customers = 300, events_min = 150, events_max = 250, count = 20;
};

Options Read(int count, char** words) {
  if (count < 2) Fail("usage: rapport_freshness STORE --customers N [--events-min N] [--events-max N] [--count N]", 2);
  Options options;
  options.store = words[1];
  for (int i = 2; i + 1 < count; i += 2) {
    size_t* to = std::strcmp(words[i], "--customers") == 0    ? &options.customers
                 : std::strcmp(words[i], "--events-min") == 0 ? &options.events_min
                 : std::strcmp(words[i], "--events-max") == 0 ? &options.events_max
                 : std::strcmp(words[i], "--count") == 0      ? &options.count
                                                              : nullptr;
    if (to == nullptr) Fail(std::string("no such option: ") + words[i], 2);
    *to = std::strtoull(words[i + 1], nullptr, 10);
  }
  return options;
}

int64_t ThreadTimeNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

struct Shop {
  Store& store;
  Engine& engine;
  size_t count = 20;
  int messages = 0;
  double view_us = 0;  // of the last page

  // The page and what it took, in microseconds of this thread.
  std::pair<RecommendResponse, double> Page(const CustomerRef& customer) {
    RecommendRequest request;
    request.customer = customer;
    request.count = count;
    request.filter = "NOT viewed";
    request.now = SystemClock().Now();
    const int64_t began_ns = ThreadTimeNs();
    const Result<RecommendContext> context = engine.ContextOf(customer);
    if (!context.ok()) Fail(context.status().ToString());
    view_us = static_cast<double>(ThreadTimeNs() - began_ns) / 1000;
    Result<RecommendResponse> page = engine.Recommend(*context, request);
    const int64_t ended_ns = ThreadTimeNs();
    if (!page.ok()) Fail(page.status().ToString());
    if (page->items.empty()) Fail("an empty page", 3);
    return {page.Take(), static_cast<double>(ended_ns - began_ns) / 1000};
  }
  void View(const CustomerRef& customer, const std::string& item) {
    AppendEvent op;
    op.customer = customer;
    op.event.type = EventType::kViewed;
    op.event.source = "freshness";
    op.event.message_id = std::to_string(++messages);
    op.event.time = op.event.received_at = SystemClock().Now();
    op.lines.push_back({item, 1, std::nullopt});
    const auto applied = store.ApplyAndWait({op});
    if (!applied.ok()) Fail(applied.status().ToString());
    if (!applied->front().status.ok()) Fail(applied->front().status.ToString());
  }
};

struct Chosen {
  std::vector<CustomerRef> customers;
  std::vector<size_t> events;
};

Chosen Choose(const Store& store, const Options& options) {
  Chosen out;
  const Status read = store.ForEachProfile([&](const Profile& profile) {
    if (store.Root(profile.id) != profile.id) return true;
    size_t events = 0;
    (void)store.ReadHistory(profile.id, limits::kHistoryEventsMax, nullptr, &events);
    if (events >= options.events_min && events <= options.events_max) {
      out.customers.push_back(profile.ref);
      out.events.push_back(events);
    }
    return out.customers.size() < options.customers;
  });
  if (!read.ok()) Fail(read.ToString());
  if (out.customers.size() < 2) Fail("fewer than two customers with so many events");
  return out;
}

// "p50", "p90", "p99" of it.
std::string Spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
  };
  char text[128];
  std::snprintf(text, sizeof(text), "{\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f}", at(.5), at(.9), at(.99));
  return text;
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int count, char** words) {
  const Options options = Read(count, words);
  Result<std::unique_ptr<Store>> store = Store::Open(options.store, {});
  if (!store.ok()) Fail(store.status().ToString());
  Result<std::unique_ptr<Engine>> engine = Engine::Open(**store, {});
  if (!engine.ok()) Fail(engine.status().ToString());
  const Chosen chosen = Choose(**store, options);
  Shop shop{**store, **engine, options.count};
  std::vector<double> extra, noise, pages, view, view_kept;
  size_t changed = 0;
  for (size_t i = 0; i < chosen.customers.size(); ++i) {
    const CustomerRef& customer = chosen.customers[i];
    const CustomerRef& other = chosen.customers[(i + 1) % chosen.customers.size()];
    std::string first = shop.Page(customer).first.items.front().external_id;
    const auto after_another = [&] {
      shop.View(other, first);
      return shop.Page(customer).second;
    };
    // The first pages of a customer find everything cold; then each kind stands between two of the other's neighbours.
    (void)after_another();
    std::array<double, 4> equal_us{};
    for (size_t k = 0; k < 3; ++k) equal_us[k] = after_another();
    shop.View(customer, first);
    const auto [page, own_us] = shop.Page(customer);
    view.push_back(shop.view_us);
    changed += std::none_of(page.items.begin(), page.items.end(),
                            [&](const RecommendedItem& item) { return item.external_id == first; });
    equal_us[3] = after_another();
    view_kept.push_back(shop.view_us);
    extra.push_back(own_us - (equal_us[2] + equal_us[3]) / 2);
    noise.push_back(equal_us[1] - (equal_us[0] + equal_us[2]) / 2);
    pages.push_back(own_us);
  }
  std::vector<double> events(chosen.events.begin(), chosen.events.end());
  std::printf(
      "{\"customers\": %zu, \"events_median\": %.0f, \"changed\": %zu, \"page_us_p50\": %.1f, \"extra_us\": %s, "
      "\"noise_us\": %s, \"view_us\": %s, \"view_kept_us\": %s}\n",
      chosen.customers.size(), Median(events), changed, Median(pages), Spread(extra).c_str(), Spread(noise).c_str(),
      Spread(view).c_str(), Spread(view_kept).c_str());
  return changed == chosen.customers.size() ? 0 : 3;
}
