#include "engine/contact/batch.h"

#include <algorithm>
#include <unordered_set>

#include "base/parallel.h"
#include "base/text.h"
#include "engine/contact/contact_reader.h"
#include "engine/contact/decider.h"
#include "engine/contact/holdout.h"
#include "engine/content/attributes.h"
#include "engine/content/eligibility.h"

namespace rapport {
namespace {

constexpr size_t kGrain = 64;
constexpr int64_t kPastMs = 3 * 366 * kDayMs;

Result<PlanContent> ContentOf(const Catalog& catalog, const std::string& id, const ContactLimits& limits,
                              const ResponseVocabulary& names, Timestamp from, Timestamp until) {
  const auto refuse = [&](const std::string& why) {
    return Status::InvalidArgument("item " + QuoteForMessage(id) + " " + why);
  };
  const Item* item = catalog.Find(id);
  ShowRules rules;
  rules.now = from;
  const Refusal refusal = CheckEligibility(catalog, item, rules);
  if (refusal != Refusal::kNone && refusal != Refusal::kOtherAudience)
    return refuse(std::string("may not be shown: ") + RefusalName(refusal));
  if (item->expires_at && *item->expires_at < until)
    return refuse("expires within the week of the plan; take a longer-lived one");
  PlanContent content;
  content.item = item->id;
  content.name = id;
  content.row = names.Content(item->id);
  content.kind = names.Kind(item->kind);
  content.margin = MarginOf(*item, limits);
  content.topic = TopicOf(*item);
  const StockSettings& stock = limits.stock;
  if (stock.of_catalogue && item->stock) content.stock = static_cast<uint64_t>(std::max(int64_t{0}, *item->stock));
  if (const auto given = stock.items.find(id); given != stock.items.end()) content.stock = given->second;
  return content;
}

Result<std::vector<PlanChannel>> ChannelsOf(const ContactSettings& settings, const std::vector<std::string>& asked,
                                            const ResponseVocabulary& names) {
  for (const std::string& name : asked) RAPPORT_RETURN_IF_ERROR(settings.CheckChannel(name));
  std::vector<PlanChannel> channels;
  for (uint32_t c = 0; c < settings.channels.size(); ++c) {
    const ChannelSettings& channel = settings.channels[c];
    const bool wanted = asked.empty() || std::find(asked.begin(), asked.end(), channel.name) != asked.end();
    if (wanted && channel.enabled && !channel.at_place) channels.push_back({c, names.Channel(channel.name)});
  }
  if (channels.empty()) return Status::InvalidArgument("no channel is left: enable one, or name others");
  return channels;
}

// What is read of one customer; its spans point into itself.
struct OneCustomer {
  ContactCustomer customer;
  CustomerResponse response;
  ZoneChoice zone;
  float recent_sends = 0;
  bool holdout = false, personal = true;
  std::string locale;
  std::vector<std::string> audiences;
  uint32_t contacts_known = 0;
};

Result<OneCustomer> ReadOne(const Store& store, CustomerId root, const BatchRequest& request, Timestamp from,
                            const ContactLimits& limits, const ResponseSet& responses, ZoneBook& zones) {
  OneCustomer one;
  Result<ContactCustomer> read = ReadContactCustomer(store, root, nullptr);
  if (!read.ok()) return read.status();
  one.customer = read.Take();
  std::string zone, country;
  std::vector<uint64_t> tokens;
  for (const CustomerId member : store.Members(root)) {
    const Result<Profile> profile = store.GetProfile(member);
    if (!profile.ok()) return profile.status();
    one.personal &= profile->personalization == Personalization::kOn;
    if (zone.empty()) zone = profile->time_zone;
    if (country.empty()) country = profile->country;
    if (one.locale.empty()) one.locale = profile->locale;
    one.audiences.insert(one.audiences.end(), profile->audiences.begin(), profile->audiences.end());
    const std::vector<uint64_t> more = DescribeCustomer(*profile);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  one.zone = ChooseZone(limits, zone, country);
  one.recent_sends = RecentSends(one.customer.log, from);
  one.holdout = InHoldout(limits.holdout_name, std::to_string(root.value), limits.holdout_ppm);
  if (!one.personal || responses.generation == 0) return one;
  const Result<std::vector<HistoryEntry>> history = store.ReadHistory(root);
  if (!history.ok()) return history.status();
  const Result<LocalTime> local = zones.Read(one.zone.name, {std::max(from.ms - kPastMs, kTimestampMin.ms)}, from);
  if (!local.ok()) return local.status();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  const EvidenceBuffers evidence = CollectEvidence(
      one.customer.log, *history, tokens, country, *local, request.now, responses.vocabulary, [&](ItemId item) {
        const Item* found = item ? catalog->Get(item) : nullptr;
        return found != nullptr && found->catalogued ? found->kind : std::string();
      });
  one.contacts_known = static_cast<uint32_t>(evidence.trials.size());
  one.response = responses.model->FoldIn(evidence.View());
  return one;
}

// Marks what is not for this customer.
Status SetContents(const BatchDecision& batch, const OneCustomer& one, CustomerId root, const BatchHooks& hooks,
                   std::vector<float>* affinity, std::vector<uint8_t>* refused) {
  const PlanFrame& frame = batch.customers->frame();
  affinity->assign(frame.with_affinity ? frame.contents.size() : 0, 0);
  refused->assign(frame.with_refused ? frame.contents.size() : 0, 0);
  if (hooks.contents) RAPPORT_RETURN_IF_ERROR(hooks.contents(root, frame, *affinity, *refused));
  for (size_t i = 0; i < refused->size(); ++i) {
    const std::vector<std::string>& asked = batch.audiences[i];
    const bool meant = asked.empty() || std::any_of(asked.begin(), asked.end(), [&](const std::string& name) {
                         return std::find(one.audiences.begin(), one.audiences.end(), name) != one.audiences.end();
                       });
    if (!meant) (*refused)[i] = 1;
  }
  if (!refused->empty()) KeepOwnLanguage(batch.variants, one.locale, *refused);
  return Status::Ok();
}

Result<PlanFrame> FrameOf(const Store& store, const BatchRequest& request, const BatchHooks& hooks,
                          BatchDecision* batch) {
  if (request.items.empty()) return Status::InvalidArgument("items: name at least one content to choose from");
  const BatchOptions& options = request.options;
  if (!(options.temperature >= 0) || !(options.exploration >= 0 && options.exploration <= 1)) {
    return Status::InvalidArgument("the temperature is 0 or more, and exploration is between 0 and 1");
  }
  const ContactSettings& settings = *batch->settings;
  const ResponseVocabulary& names = batch->responses->vocabulary;
  const Timestamp earliest = std::max(request.from.value_or(request.now), request.now);
  if (earliest.ms - request.now.ms > 366 * kDayMs) return Status::InvalidArgument("from lies more than a year ahead");
  PlanFrame frame{.settings = settings, .model = *batch->responses->model};
  frame.from = {(earliest.ms + kHourMs - 1) / kHourMs * kHourMs};
  frame.purpose = request.purpose;
  Result<std::vector<PlanChannel>> channels = ChannelsOf(settings, request.channels, names);
  if (!channels.ok()) return channels.status();
  frame.channels = channels.Take();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  std::unordered_set<std::string> named;
  for (const std::string& id : request.items) {
    if (!named.insert(id).second) continue;
    Result<PlanContent> content = ContentOf(*catalog, id, settings.limits, names, frame.from, frame.until());
    if (!content.ok()) return content.status();
    frame.contents.push_back(content.Take());
    const Item& item = *catalog->Find(id);
    batch->audiences.push_back(item.audience);
    batch->variants.push_back({VariantGroupOf(item), item.language});
    frame.with_refused |= !item.audience.empty() || !batch->variants.back().group.empty();
  }
  frame.with_affinity = static_cast<bool>(hooks.contents);
  frame.with_refused |= frame.with_affinity;
  RAPPORT_RETURN_IF_ERROR(frame.Check());
  return frame;
}

// Whom the plan is for: names to customers, each once.
Status FindCustomers(const Store& store, const BatchRequest& request, const BatchHooks& hooks, BatchDecision* batch) {
  std::vector<CustomerRef> everybody;
  if (request.everybody) {
    Result<std::vector<CustomerRef>> users = AllUsers(store);
    if (!users.ok()) return users.status();
    everybody = users.Take();
  }
  std::unordered_set<uint64_t> seen;
  for (const CustomerRef& ref : request.everybody ? everybody : request.customers) {
    const std::optional<CustomerId> found = store.FindCustomer(ref);
    if (!found) {
      batch->unknown.push_back(ref.external_id);
      continue;
    }
    const CustomerId root = store.Root(*found);
    if (!seen.insert(root.value).second) continue;
    const Result<bool> passed = hooks.pass_over ? hooks.pass_over(root) : Result<bool>(false);
    if (!passed.ok()) return passed.status();
    batch->passed_over += *passed ? 1 : 0;
    if (*passed) continue;
    batch->roots.push_back(root);
    batch->refs.push_back(ref);
  }
  if (seen.empty()) return Status::InvalidArgument("none of the customers is known to the store");
  return Status::Ok();
}

// Places of the channels' hours, and agents' minutes in them, that earlier decisions have taken.
void TakeHours(const Store& store, const PlanFrame& frame, std::vector<BatchLimit>* limits) {
  for (BatchLimit& limit : *limits) {
    if (!limit.per_hour) continue;
    std::map<std::string, double> of_contact = limit.minutes;
    for (const std::string& channel : limit.channels) of_contact.emplace(channel, 1);
    limit.hours_taken.assign(kSlots, 0);
    for (const auto& [channel, units] : of_contact) {
      const std::vector<uint64_t> planned =
          store.PlannedByHour(PlannedOf::kChannel, channel, frame.from.ms / kHourMs, kSlots);
      for (size_t s = 0; s < kSlots; ++s) limit.hours_taken[s] += units * static_cast<double>(planned[s]);
    }
  }
}

Status ReadCustomers(const Store& store, const BatchRequest& request, const BatchHooks& hooks, BatchDecision* batch) {
  PlanCustomers& customers = *batch->customers;
  const Timestamp from = customers.frame().from;
  std::vector<Status> failed((batch->roots.size() + kGrain - 1) / kGrain);
  ZoneBook zones;
  ParallelFor(batch->roots.size(), kGrain, request.options.threads, [&](size_t begin, size_t end, size_t block) {
    if (hooks.cancelled && hooks.cancelled()) failed[block] = Status::Unavailable("the batch was stopped");
    std::vector<float> affinity;
    std::vector<uint8_t> refused;
    for (size_t i = begin; i < end && failed[block].ok(); ++i) {
      const Result<OneCustomer> one =
          ReadOne(store, batch->roots[i], request, from, batch->settings->limits, *batch->responses, zones);
      if (!one.ok()) failed[block] = one.status();
      if (!one.ok()) continue;
      const Result<uint32_t> zone = customers.Zone(one->zone.name);
      if (!zone.ok()) failed[block] = zone.status();
      if (!zone.ok()) continue;
      PlanEvidence evidence;
      evidence.external_id = batch->refs[i].external_id;
      evidence.zone = *zone;
      evidence.zone_source = one->zone.source;
      evidence.customer = &one->customer;
      evidence.response = &one->response;
      evidence.recent_sends = one->recent_sends;
      evidence.holdout = one->holdout && !IsService(request.purpose);
      evidence.personal = one->personal;
      evidence.contacts_known = one->contacts_known;
      failed[block] = SetContents(*batch, *one, batch->roots[i], hooks, &affinity, &refused);
      if (!failed[block].ok()) continue;
      evidence.affinity = affinity;
      evidence.refused = refused;
      customers.Set(static_cast<uint32_t>(i), evidence);
    }
  });
  for (const Status& status : failed) RAPPORT_RETURN_IF_ERROR(status);
  return Status::Ok();
}

}  // namespace

Status CheckBatchRequest(const Store& store, std::shared_ptr<const ContactSettings> settings,
                         std::shared_ptr<const ResponseSet> responses, const BatchRequest& request) {
  BatchDecision batch;
  batch.settings = std::move(settings);
  batch.responses = std::move(responses);
  return FrameOf(store, request, {}, &batch).status();
}

Result<std::unique_ptr<BatchDecision>> DecideBatch(const Store& store, std::shared_ptr<const ContactSettings> settings,
                                                   std::shared_ptr<const ResponseSet> responses,
                                                   const BatchRequest& request, const BatchHooks& hooks) {
  auto batch = std::make_unique<BatchDecision>();
  batch->settings = std::move(settings);
  batch->responses = std::move(responses);
  const Result<PlanFrame> frame = FrameOf(store, request, hooks, batch.get());
  if (!frame.ok()) return frame.status();
  RAPPORT_RETURN_IF_ERROR(FindCustomers(store, request, hooks, batch.get()));
  if (batch->roots.empty()) return batch;
  batch->customers = std::make_unique<PlanCustomers>(*frame, static_cast<uint32_t>(batch->roots.size()));
  RAPPORT_RETURN_IF_ERROR(ReadCustomers(store, request, hooks, batch.get()));
  std::vector<BatchLimit> limits = LimitsOfSettings(batch->customers->frame());
  TakeHours(store, batch->customers->frame(), &limits);
  if (hooks.take_off) RAPPORT_RETURN_IF_ERROR(hooks.take_off(batch->customers->frame(), &limits));
  DrawSink sink;
  if (hooks.drawn) sink = [&](const DrawRecord& record) { hooks.drawn(*batch, record); };
  Result<BatchPlan> plan = PlanBatch(*batch->customers, limits, request.options, sink, hooks.cancelled);
  if (!plan.ok()) return plan.status();
  batch->plan = plan.Take();
  return batch;
}

Result<std::vector<CustomerRef>> AllUsers(const Store& store) {
  std::vector<CustomerRef> users;
  const auto visit = [&](const Profile& profile) {
    if (profile.ref.name_space == CustomerNamespace::kUser) users.push_back(profile.ref);
    return true;
  };
  RAPPORT_RETURN_IF_ERROR(store.ForEachProfile(visit));
  return users;
}

}  // namespace rapport
