#include "engine/contact/batch.h"

#include <algorithm>
#include <set>

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
  if (item != nullptr && !item->audience.empty())
    return refuse("is for an audience only: decide on it customer by customer");
  if (refusal != Refusal::kNone) return refuse(std::string("may not be shown: ") + RefusalName(refusal));
  if (item->expires_at && *item->expires_at < until)
    return refuse("expires within the week of the plan; take a longer-lived one");
  PlanContent content;
  content.item = item->id;
  content.name = id;
  content.row = names.Content(item->id);
  content.kind = names.Kind(item->kind);
  content.margin = MarginOf(*item, limits);
  content.topic = TopicOf(*item);
  return content;
}

Result<std::vector<PlanChannel>> ChannelsOf(const ContactSettings& settings, const std::vector<std::string>& asked,
                                            const ResponseVocabulary& names) {
  for (const std::string& name : asked) {
    if (settings.FindChannel(name) == nullptr)
      return Status::InvalidArgument("there is no channel " + QuoteForMessage(name));
  }
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
  std::string zone;
  float recent_sends = 0;
  bool holdout = false;
};

Result<OneCustomer> ReadOne(const Store& store, CustomerId root, const BatchRequest& request, Timestamp from,
                            const ContactLimits& limits, const ResponseSet& responses, ZoneBook& zones) {
  OneCustomer one;
  Result<ContactCustomer> read = ReadContactCustomer(store, root, nullptr);
  if (!read.ok()) return read.status();
  one.customer = read.Take();
  std::string zone, country;
  bool personal = true;
  std::vector<uint64_t> tokens;
  for (const CustomerId member : store.Members(root)) {
    const Result<Profile> profile = store.GetProfile(member);
    if (!profile.ok()) return profile.status();
    personal &= profile->personalization == Personalization::kOn;
    if (zone.empty()) zone = profile->time_zone;
    if (country.empty()) country = profile->country;
    const std::vector<uint64_t> more = DescribeCustomer(*profile);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  one.zone = ChooseZone(limits, zone, country).name;
  one.recent_sends = RecentSends(one.customer.log, from);
  one.holdout = InHoldout(limits.holdout_name, std::to_string(root.value), limits.holdout_ppm);
  if (!personal || responses.generation == 0) return one;
  const Result<std::vector<HistoryEntry>> history = store.ReadHistory(root);
  if (!history.ok()) return history.status();
  const Result<LocalTime> local = zones.Read(one.zone, {std::max(from.ms - kPastMs, kTimestampMin.ms)}, from);
  if (!local.ok()) return local.status();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  const EvidenceBuffers evidence = CollectEvidence(
      one.customer.log, *history, tokens, country, *local, request.now, responses.vocabulary, [&](ItemId item) {
        const Item* found = item ? catalog->Get(item) : nullptr;
        return found != nullptr && found->catalogued ? found->kind : std::string();
      });
  one.response = responses.model->FoldIn(evidence.View());
  return one;
}

}  // namespace

Result<std::unique_ptr<BatchDecision>> DecideBatch(const Store& store, const ContactSettings& settings,
                                                   std::shared_ptr<const ResponseSet> responses,
                                                   const BatchRequest& request) {
  if (request.items.empty()) return Status::InvalidArgument("items: name at least one content to choose from");
  auto batch = std::make_unique<BatchDecision>();
  batch->settings = settings;
  batch->responses = std::move(responses);
  const ResponseVocabulary& names = batch->responses->vocabulary;
  const Timestamp earliest = std::max(request.from.value_or(request.now), request.now);
  PlanFrame frame{.settings = batch->settings, .model = *batch->responses->model};
  frame.from = {(earliest.ms + kHourMs - 1) / kHourMs * kHourMs};
  frame.purpose = request.purpose;
  Result<std::vector<PlanChannel>> channels = ChannelsOf(batch->settings, request.channels, names);
  if (!channels.ok()) return channels.status();
  frame.channels = channels.Take();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  for (const std::string& id : request.items) {
    Result<PlanContent> content = ContentOf(*catalog, id, settings.limits, names, frame.from, frame.until());
    if (!content.ok()) return content.status();
    frame.contents.push_back(content.Take());
  }
  RAPPORT_RETURN_IF_ERROR(frame.Check());
  std::vector<std::pair<CustomerId, std::string>> roots;
  std::set<uint64_t> seen;
  for (const CustomerRef& ref : request.customers) {
    const std::optional<CustomerId> found = store.FindCustomer(ref);
    if (!found) {
      batch->unknown.push_back(ref.external_id);
    } else if (const CustomerId root = store.Root(*found); seen.insert(root.value).second) {
      roots.emplace_back(root, ref.external_id);
    }
  }
  if (roots.empty()) return Status::InvalidArgument("none of the customers is known to the store");
  batch->customers = std::make_unique<PlanCustomers>(frame, static_cast<uint32_t>(roots.size()));
  std::vector<Status> failed((roots.size() + kGrain - 1) / kGrain);
  ZoneBook zones;
  ParallelFor(roots.size(), kGrain, request.options.threads, [&](size_t begin, size_t end, size_t block) {
    for (size_t i = begin; i < end && failed[block].ok(); ++i) {
      const Result<OneCustomer> one =
          ReadOne(store, roots[i].first, request, frame.from, settings.limits, *batch->responses, zones);
      if (!one.ok()) failed[block] = one.status();
      if (!one.ok()) continue;
      const Result<uint32_t> zone = batch->customers->Zone(one->zone);
      if (!zone.ok()) failed[block] = zone.status();
      if (!zone.ok()) continue;
      PlanEvidence evidence;
      evidence.external_id = roots[i].second;
      evidence.zone = *zone;
      evidence.customer = &one->customer;
      evidence.response = &one->response;
      evidence.recent_sends = one->recent_sends;
      evidence.holdout = one->holdout && !IsService(request.purpose);
      batch->customers->Set(static_cast<uint32_t>(i), evidence);
    }
  });
  for (const Status& status : failed) RAPPORT_RETURN_IF_ERROR(status);
  Result<BatchPlan> plan = PlanBatch(*batch->customers, LimitsOfSettings(batch->customers->frame()), request.options);
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
