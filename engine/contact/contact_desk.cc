#include "engine/contact/contact_desk.h"

#include <algorithm>
#include <cstring>

#include "base/crypto.h"
#include "base/text.h"
#include "engine/contact/holdout.h"
#include "engine/contact/kept_decision.h"
#include "engine/contact/response_evidence.h"
#include "engine/contact/variants.h"

namespace rapport {
namespace {

constexpr int64_t kWindowMs = 7 * kDayMs;
constexpr int64_t kWindowMsMax = 31 * kDayMs;
// Trials and visits older than this say little, and reading a zone's history is not free.
constexpr int64_t kLocalPastMs = 3 * 366 * kDayMs;

ContentChoice ChoiceOf(const Item& item, float affinity, const ContactLimits& limits, const ResponseVocabulary& names) {
  ContentChoice choice;
  choice.item = item.id;
  choice.row = names.Content(item.id);
  choice.kind = names.Kind(item.kind);
  choice.affinity = affinity;
  choice.margin = MarginOf(item, limits);
  choice.topic = TopicOf(item);
  choice.published_at = item.published_at;
  choice.expires_at = item.expires_at;
  return choice;
}

std::vector<int> ModelIndices(const std::vector<std::string>& names, const std::vector<std::string>& known) {
  std::vector<int> indices;
  for (const std::string& name : names) {
    const auto found = std::lower_bound(known.begin(), known.end(), name);
    const bool there = found != known.end() && *found == name && !name.empty();
    indices.push_back(there ? static_cast<int>(found - known.begin()) : -1);
  }
  return indices;
}

std::optional<GeoPoint> WhereIs(const DecisionRequest& request, const Attributes& traits) {
  if (request.near) return request.near;
  const auto number = [&](const char* name) -> std::optional<double> {
    const auto found = traits.find(name);
    const auto* value = found == traits.end() ? nullptr : std::get_if<double>(&found->second);
    return value == nullptr ? std::nullopt : std::optional(*value);
  };
  const std::optional<double> latitude = number("latitude"), longitude = number("longitude");
  if (!latitude || !longitude) return std::nullopt;
  return GeoPoint{*latitude, *longitude};
}

// Everybody's best hour on a channel.
uint16_t UsualHour(const ResponseModel& model, size_t channel) {
  const float* row = model.channel_hour.data() + channel * kHoursOfWeek;
  return static_cast<uint16_t>(std::max_element(row, row + kHoursOfWeek) - row);
}

void Explain(const DecisionInput& input, DecisionResponse* decision) {
  const DecisionArm& arm = decision->outcome.chosen;
  if (arm.content == kNothing) return;
  const auto channel = static_cast<size_t>(std::max(0, input.model_channel[arm.channel]));
  const CustomerResponse& own = input.response;
  if (!own.own_hour.empty()) decision->own_hour = own.own_hour[arm.hour];
  if (!own.own_channel.empty()) decision->own_channel = own.own_channel[channel];
  if (!own.own_kind.empty()) decision->own_kind = own.own_kind[input.contents[arm.content].kind];
  decision->usual_hour = UsualHour(input.model, channel);
  decision->zone_offset_ms = input.local.OffsetMs(arm.at);
}

// Channels that may be used, and the model's names for channels and places.
void AddWays(const DecisionRequest& request, const ResponseVocabulary& names, DecisionInput* input) {
  std::vector<std::string> channels, places;
  for (uint32_t channel = 0; channel < input->settings.channels.size(); ++channel) {
    const std::string& name = input->settings.channels[channel].name;
    channels.push_back(name);
    const bool asked = request.channels.empty() ||
                       std::find(request.channels.begin(), request.channels.end(), name) != request.channels.end();
    if (asked) input->channels.push_back(channel);
  }
  for (const PlaceSettings& place : input->settings.places) places.push_back(place.name);
  input->model_channel = ModelIndices(channels, names.channels);
  input->model_place = ModelIndices(places, names.places);
}

void AddContents(const RankResponse& ranked, const std::string& locale, const ResponseVocabulary& names,
                 DecisionInput* input, DecisionResponse* decision) {
  const std::vector<RecommendedItem>& items = ranked.ranked.items;
  std::vector<Variant> variants(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    if (const Item* item = ranked.ranked.catalog->Get(items[i].item))
      variants[i] = {VariantGroupOf(*item), item->language};
  }
  std::vector<uint8_t> refused(items.size(), 0);
  KeepOwnLanguage(variants, locale, refused);
  for (size_t i = 0; i < items.size(); ++i) {
    const Item* item = ranked.ranked.catalog->Get(items[i].item);
    if (item == nullptr) continue;
    if (refused[i] != 0) decision->refused_items.push_back({item->external_id, "another language is the customer's"});
    if (refused[i] != 0) continue;
    input->contents.push_back(ChoiceOf(*item, AffinityOf(i, items.size()), input->settings.limits, names));
    decision->contents.push_back({item->id,
                                  item->external_id,
                                  item->title,
                                  item->kind,
                                  item->language,
                                  items[i].level,
                                  AffinityOf(i, items.size()),
                                  {}});
  }
}

}  // namespace

ContactDesk::ContactDesk(Store& store) : store_(store), id_key_(store.DeriveKey("decision id")), capacity_(store) {
  in_force_.settings = std::make_shared<const ContactSettings>();
}

ContactDesk::InForce ContactDesk::Settings() const {
  std::lock_guard hold(mutex_);
  return in_force_;
}
std::shared_ptr<const ContactSettings> ContactDesk::settings() const { return Settings().settings; }
uint64_t ContactDesk::settings_version() const { return Settings().version; }

Status ContactDesk::Use(ContactSettings settings) {
  RAPPORT_RETURN_IF_ERROR(Validate(settings));
  auto next = std::make_shared<const ContactSettings>(std::move(settings));
  std::lock_guard hold(mutex_);
  in_force_.settings.swap(next);
  ++in_force_.version;
  return Status::Ok();
}

Status ContactDesk::Check(const DecisionRequest& request) const {
  const Timestamp from = std::max(request.from.value_or(request.now), request.now);
  if (request.until && request.from && *request.until <= *request.from) {
    return Status::InvalidArgument("until is not after from: the window is empty");
  }
  if (request.until && *request.until <= request.now) {
    return Status::InvalidArgument("until lies in the past: nothing can be sent in that window any more");
  }
  if (request.until && request.until->ms - from.ms > kWindowMsMax) {
    return Status::InvalidArgument("the window is longer than 31 days: decide again nearer to the time");
  }
  if (from.ms - request.now.ms > 366 * kDayMs) return Status::InvalidArgument("from lies more than a year ahead");
  const std::shared_ptr<const ContactSettings> settings = this->settings();
  for (const std::string& name : request.channels) {
    const Status known = settings->CheckChannel(name);
    if (!known.ok()) return Status::InvalidArgument("channels: " + known.message());
  }
  return Status::Ok();
}

DecisionResponse ContactDesk::Begin(const DecisionRequest& request, const RankResponse& ranked,
                                    const CustomerView& view) {
  const InForce in_force = Settings();
  DecisionResponse decision;
  decision.customer = view.root;
  decision.time = request.now;
  decision.from = std::max(request.from.value_or(request.now), request.now);
  decision.until = request.until.value_or(Timestamp{decision.from.ms + kWindowMs});
  decision.purpose = request.purpose;
  decision.settings = in_force.settings;
  decision.settings_version = in_force.version;
  decision.dry_run = request.dry_run;
  decision.content_generation = ranked.ranked.generation;
  decision.refused_items = ranked.refused;
  decision.unknown_items = ranked.unknown;
  decision.personal = view.personalization == Personalization::kOn;
  decision.zone = ChooseZone(in_force.settings->limits, view.time_zone, view.country);
  const std::string seed_text = std::to_string(view.root.value) + " " + std::to_string(request.now.ms) + " " +
                                std::to_string(++decisions_) + " " + std::to_string(store_.statistics().events);
  const Digest256 digest = HmacSha256(id_key_, seed_text);
  decision.id = "d-" + ToHex({reinterpret_cast<const char*>(digest.data()), 16});
  std::memcpy(&decision.seed, digest.data() + 16, sizeof decision.seed);
  return decision;
}

Result<std::vector<LocalTime>> ContactDesk::PlaceClocks(const ContactSettings& settings, Timestamp from,
                                                        Timestamp until) {
  std::vector<LocalTime> clocks;
  for (const PlaceSettings& place : settings.places) {
    Result<LocalTime> clock =
        zones_.Read(place.time_zone.empty() ? settings.limits.time_zone : place.time_zone, from, until);
    if (!clock.ok()) return clock.status();
    clocks.push_back(clock.Take());
  }
  return clocks;
}

void ContactDesk::DecideWithin(const DecisionRequest& request, DecisionInput* input, DecisionResponse* decision) {
  const ContactSettings& settings = input->settings;
  const int64_t first = HourNumber(input->from);
  const auto hours = static_cast<size_t>(HourNumber(input->until) - first + 1);
  input->full_hours.resize(settings.channels.size());
  input->full_place_hours.resize(settings.places.size());
  bool at_place = false;
  for (const uint32_t index : input->channels) {
    const ChannelSettings& channel = settings.channels[index];
    at_place |= channel.at_place;
    for (const uint64_t left : capacity_.Left(settings, channel, first, hours)) {
      input->full_hours[index].push_back(left == 0 ? 1 : 0);
    }
  }
  for (size_t index = 0; at_place && index < settings.places.size(); ++index) {
    const PlaceSettings& place = settings.places[index];
    if (place.capacity_per_hour == 0) continue;
    for (const uint64_t used : capacity_.Used(PlannedOf::kPlace, place.name, first, hours)) {
      input->full_place_hours[index].push_back(used >= place.capacity_per_hour ? 1 : 0);
    }
  }
  // Somebody may take the last one between the look and the draw: then that hour is full, and the draw is another one.
  for (;;) {
    decision->outcome = rapport::Decide(*input);
    const DecisionArm& arm = decision->outcome.chosen;
    if (request.dry_run || arm.content == kNothing) return;
    const CapacityDesk::Full found = capacity_.Reserve(settings, PlannedContact(*decision));
    if (found == CapacityDesk::Full::kNone) return;
    std::vector<uint8_t>& list =
        found == CapacityDesk::Full::kChannel ? input->full_hours[arm.channel] : input->full_place_hours[arm.place];
    list[static_cast<size_t>(HourNumber(arm.at) - first)] = 1;
  }
}

Result<PreparedDecision> ContactDesk::Decide(const DecisionRequest& request, const RankResponse& ranked,
                                             const CustomerView& view, const ReasonsOf& reasons_of,
                                             const FormatDecision& format) {
  RAPPORT_RETURN_IF_ERROR(Check(request));
  Stripe& stripe = stripes_[view.root.value % stripes_.size()];
  std::lock_guard one_at_a_time(stripe.mutex);
  const std::shared_ptr<const ResponseSet> responses = publisher_.Get();
  DecisionResponse decision = Begin(request, ranked, view);
  decision.response_generation = responses->generation;
  const ContactSettings& settings = *decision.settings;

  ContactCustomer customer;  // of nobody known: no consent, no address
  if (view.root.value != 0) {
    Result<ContactCustomer> read = ReadContactCustomer(store_, view.root, nullptr);
    if (!read.ok()) return read.status();
    customer = read.Take();
    const auto [begin, end] = stripe.pending.equal_range(view.root.value);
    for (auto at = begin; at != end; ++at) AddPending(at->second, &customer.log);
  }
  const Timestamp past{std::max(decision.from.ms - kLocalPastMs, kTimestampMin.ms)};
  const Result<LocalTime> local = zones_.Read(decision.zone.name, past, {decision.until.ms + kDayMs});
  if (!local.ok()) return local.status();
  const Result<std::vector<LocalTime>> place_clocks = PlaceClocks(settings, decision.from, decision.until);
  if (!place_clocks.ok()) return place_clocks.status();

  CustomerResponse response;
  if (decision.personal && responses->generation != 0) {
    const Catalog& catalog = *ranked.ranked.catalog;
    const auto kind_of = [&](ItemId item) {
      const Item* found = item ? catalog.Get(item) : nullptr;
      return found != nullptr && found->catalogued ? found->kind : std::string();
    };
    const EvidenceBuffers evidence = CollectEvidence(customer.log, view.history, view.traits, view.country, *local,
                                                     request.now, responses->vocabulary, kind_of);
    decision.contacts_known = evidence.trials.size();
    response = responses->model->FoldIn(evidence.View());
  }
  DecisionInput input{
      .settings = settings, .customer = customer, .local = *local, .model = *responses->model, .response = response};
  input.purpose = request.purpose;
  input.from = decision.from;
  input.until = decision.until;
  input.seed = decision.seed;
  const ContactLimits& limits = settings.limits;
  input.near = WhereIs(request, customer.traits);
  input.holdout = InHoldout(limits.holdout_name, std::to_string(view.root.value), limits.holdout_ppm);
  input.recent_sends = RecentSends(customer.log, decision.from);
  AddWays(request, responses->vocabulary, &input);
  for (const LocalTime& clock : *place_clocks) input.place_times.push_back(&clock);
  AddContents(ranked, view.locale, responses->vocabulary, &input, &decision);
  DecideWithin(request, &input, &decision);
  Explain(input, &decision);
  if (const DecisionArm& arm = decision.outcome.chosen; arm.content != kNothing && request.explain) {
    decision.contents[arm.content].reasons = reasons_of(decision.contents[arm.content].external_id);
  }
  PreparedDecision prepared;
  if (!request.dry_run) prepared.operations = KeepingOperations(request.customer, decision, format);
  if (!request.dry_run && decision.outcome.chosen.content != kNothing) {
    stripe.pending.emplace(view.root.value, PlannedContact(decision));
  }
  prepared.decision = std::move(decision);
  return prepared;
}

std::string ContactDesk::BatchDecisionId(const std::string& batch, CustomerId customer) const {
  const std::string text = "batch " + batch + " " + std::to_string(customer.value);
  const Digest256 digest = HmacSha256(id_key_, text);
  return "d-" + ToHex({reinterpret_cast<const char*>(digest.data()), 16});
}

Result<bool> ContactDesk::DecidedInBatch(const std::string& batch, CustomerId root) const {
  for (const CustomerId member : store_.Members(root)) {
    const Result<Decision> known = store_.GetDecision(BatchDecisionId(batch, member));
    if (known.ok()) return true;
    if (known.status().code() != StatusCode::kNotFound) return known.status();
  }
  return false;
}

Result<ContactDesk::Held> ContactDesk::Hold(const PlannedArm& arm) {
  Held held;
  held.root = store_.Root(arm.root);
  Stripe& stripe = stripes_[held.root.value % stripes_.size()];
  std::lock_guard one_at_a_time(stripe.mutex);
  Result<ContactCustomer> read = ReadContactCustomer(store_, held.root, nullptr);
  if (!read.ok()) return read.status();
  ContactCustomer customer = read.Take();
  const auto [begin, end] = stripe.pending.equal_range(held.root.value);
  for (auto at = begin; at != end; ++at) AddPending(at->second, &customer.log);
  if (held.root != arm.root) {
    // Became a part of another customer since the plan was made: nobody is written to twice by one batch.
    for (const CustomerId member : store_.Members(held.root)) {
      const std::string id = BatchDecisionId(arm.batch, member);
      for (const Contact& contact : customer.log.contacts) {
        if (contact.id == id) held.refusal = ContactRefusal::kCap;
      }
    }
    if (held.refusal != ContactRefusal::kNone) return held;
  }
  const Feasibility rules(arm.settings, customer, arm.local);
  Feasibility::Question question;
  question.purpose = arm.contact.purpose;
  question.topic = arm.topic;
  question.channel = &arm.settings.channels[arm.channel];
  held.refusal = rules.Standing(question);
  if (held.refusal == ContactRefusal::kNone) held.refusal = rules.At(question, arm.contact.time, nullptr);
  if (held.refusal == ContactRefusal::kNone &&
      capacity_.Reserve(arm.settings, arm.contact) != CapacityDesk::Full::kNone) {
    held.refusal = ContactRefusal::kCapacity;
  }
  if (held.refusal == ContactRefusal::kNone) stripe.pending.emplace(held.root.value, arm.contact);
  return held;
}

Result<std::vector<ContactRefusal>> ContactDesk::RefusalsAt(const ContactSettings& settings, const CustomerView& view,
                                                            const ChannelSettings& channel, const std::string& purpose,
                                                            std::span<const Timestamp> times) {
  ContactCustomer customer;  // of nobody known: no consent, no address
  if (view.root.value != 0) {
    Stripe& stripe = stripes_[view.root.value % stripes_.size()];
    std::lock_guard one_at_a_time(stripe.mutex);
    Result<ContactCustomer> read = ReadContactCustomer(store_, view.root, nullptr);
    if (!read.ok()) return read.status();
    customer = read.Take();
    const auto [begin, end] = stripe.pending.equal_range(view.root.value);
    for (auto at = begin; at != end; ++at) AddPending(at->second, &customer.log);
  }
  Feasibility::Question question;
  question.purpose = purpose;
  question.channel = &channel;
  const auto [first, last] = std::minmax_element(times.begin(), times.end());
  if (first == times.end()) return std::vector<ContactRefusal>();
  const ZoneChoice zone = ChooseZone(settings.limits, view.time_zone, view.country);
  const Result<LocalTime> local =
      zones_.Read(zone.name, {std::max(first->ms - kLocalPastMs, kTimestampMin.ms)}, {last->ms + kDayMs});
  if (!local.ok()) return local.status();
  const Feasibility rules(settings, customer, *local);
  ContactRefusal standing = rules.Standing(question);
  const bool holdout = !IsService(purpose) && InHoldout(settings.limits.holdout_name, std::to_string(view.root.value),
                                                        settings.limits.holdout_ppm);
  if (standing == ContactRefusal::kNone && holdout) standing = ContactRefusal::kHoldout;
  std::vector<ContactRefusal> refusals(times.size(), standing);
  for (size_t i = 0; i < times.size() && standing == ContactRefusal::kNone; ++i) {
    refusals[i] = rules.At(question, times[i], nullptr);
  }
  return refusals;
}

std::optional<uint64_t> ContactDesk::LeftInHour(const ContactSettings& settings, const ChannelSettings& channel,
                                                Timestamp time) const {
  const std::vector<uint64_t> left = capacity_.Left(settings, channel, HourNumber(time), 1);
  return left.empty() ? std::nullopt : std::optional(left[0]);
}

void ContactDesk::Settle(CustomerId customer, const std::string& id) {
  capacity_.Settle(id);
  Stripe& stripe = stripes_[customer.value % stripes_.size()];
  std::lock_guard hold(stripe.mutex);
  const auto [begin, end] = stripe.pending.equal_range(customer.value);
  for (auto at = begin; at != end; ++at) {
    if (at->second.id != id) continue;
    stripe.pending.erase(at);
    return;
  }
}

}  // namespace rapport
