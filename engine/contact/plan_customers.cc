#include "engine/contact/plan_customers.h"

#include <algorithm>
#include <set>

#include "models/arm_kernels.h"

namespace rapport {
namespace {

constexpr size_t kSlotBytes = kSlots / 8;
static_assert(kSlots % 8 == 0);

// Over all caps the longest that a past contact may still count.
int64_t ReachMs(const FrequencyCap& cap) {
  return cap.window == FrequencyCap::Window::kRolling ? cap.rolling_ms : Feasibility::kCalendarMs;
}

}  // namespace

Status PlanFrame::Check() const {
  if (channels.empty() || channels.size() > kChannelsMax) {
    return Status::InvalidArgument("a plan has 1 to " + std::to_string(kChannelsMax) + " channels");
  }
  if (contents.empty() || contents.size() > kContentsMax) {
    return Status::InvalidArgument("a plan has 1 to " + std::to_string(kContentsMax) + " contents, here " +
                                   std::to_string(contents.size()));
  }
  if (model.shape.kinds > kKindsMax) {
    return Status::FailedPrecondition("the response model knows more than " + std::to_string(kKindsMax) + " kinds");
  }
  if (from.ms % kHourMs != 0) return Status::InvalidArgument("a plan begins on a whole hour");
  for (const PlanChannel& channel : channels) {
    if (channel.settings >= settings.channels.size() || channel.model >= model.shape.channels) {
      return Status::InvalidArgument("a channel of the plan is not known to the settings or to the response model");
    }
    const ChannelSettings& one = settings.channels[channel.settings];
    if (one.at_place) {
      return Status::InvalidArgument("channel " + one.name +
                                     " is used at places: decide it one by one, not in a batch");
    }
  }
  std::set<std::string> topics{""};
  for (const PlanContent& content : contents) {
    if (!(content.margin >= 0) || content.margin > 1e12) {
      return Status::InvalidArgument("content " + content.name + ": its margin is not between 0 and 1e12");
    }
    if (content.kind >= model.shape.kinds) {
      return Status::InvalidArgument("content " + content.name + ": its kind is not known to the response model");
    }
    topics.insert(content.topic);
  }
  if (topics.size() > PlanCustomers::kTopicsMax) {
    return Status::InvalidArgument("a plan has at most " + std::to_string(PlanCustomers::kTopicsMax) +
                                   " topics, here " + std::to_string(topics.size()));
  }
  return Status::Ok();
}

PlanCustomers::PlanCustomers(PlanFrame frame, uint32_t customers) : frame_(std::move(frame)), rows_(customers) {
  const size_t channels = frame_.channels.size();
  shape_.channels = static_cast<uint32_t>(channels);
  shape_.kinds = frame_.model.shape.kinds;
  for (const PlanContent& content : frame_.contents) {
    shape_.content_kind.push_back(content.kind);
    shape_.margins.push_back(static_cast<float>(content.margin));
    const auto known = std::find(topics_.begin(), topics_.end(), content.topic);
    topic_of_.push_back(static_cast<uint8_t>(known - topics_.begin()));
    if (known == topics_.end()) topics_.push_back(content.topic);
  }
  content_channel_.assign(channels * shape_.content_stride(), 0);
  for (size_t c = 0; c < channels; ++c) {
    for (size_t i = 0; i < shape_.contents(); ++i) {
      const PlanContent& content = frame_.contents[i];
      content_channel_[c * shape_.content_stride() + i] =
          frame_.model.ContentChannel(content.row, content.kind, frame_.channels[c].model);
    }
  }
  factors_ = frame_.model.factor_count();
  if (!frame_.model.kind_channel_hour.empty() || factors_ > 0) kind_slot_step_ = shape_.kinds * kSlotStride;
  own_size_ = kSlots + 2 * channels + shape_.kinds + factors_;
  own_.resize(own_size_ * customers);
  own_slots_.resize(kSlotBytes * channels * customers);
  topic_bits_.resize(topics_.size() * customers);
  if (frame_.with_refused) refused_.resize((shape_.contents() + 7) / 8 * customers);
  if (frame_.with_affinity) affinity_.resize(shape_.contents() * customers);
}

Result<uint32_t> PlanCustomers::Zone(const std::string& name) {
  std::lock_guard hold(zones_mutex_);
  const auto known = zone_numbers_.find(name);
  if (known != zone_numbers_.end()) return known->second;
  Result<LocalTime> local = book_.Read(name, {frame_.from.ms - Feasibility::kCalendarMs}, frame_.until());
  if (!local.ok()) return local.status();
  zones_.push_back(MakeZone(local.Take()));
  zones_.back().name = name;
  return zone_numbers_[name] = static_cast<uint32_t>(zones_.size() - 1);
}

PlanCustomers::ZoneTables PlanCustomers::MakeZone(LocalTime local) const {
  ZoneTables zone;
  zone.local = std::make_unique<LocalTime>(std::move(local));
  const size_t channels = frame_.channels.size();
  const ResponseModel& model = frame_.model;
  zone.minute.assign(channels * kSlots, -1);
  zone.channel_slot.assign(channels * kSlotStride, kNotAllowed);
  const size_t kind_tables = kind_slot_step_ == 0 ? 1 : channels;
  const size_t kind_size = kind_tables * shape_.kinds * kSlotStride;
  zone.kind_slot.assign(kind_size, 0);
  zone.factor_slot.assign(factors_ * kind_size, 0);
  for (size_t s = 0; s < kSlots; ++s) {
    const Timestamp begin{frame_.from.ms + static_cast<int64_t>(s) * kHourMs};
    zone.hour_of_slot.push_back(static_cast<uint8_t>(zone.local->HourOfWeekAt(begin)));
    const uint16_t hour = zone.hour_of_slot[s];
    for (size_t j = 0; j < kind_tables * shape_.kinds; ++j) {
      const size_t c = j / shape_.kinds, k = j % shape_.kinds;
      zone.kind_slot[j * kSlotStride + s] = model.kind_hour[k * kHoursOfWeek + hour] +
                                            model.ThreeWay(frame_.channels[c].model, static_cast<uint8_t>(k), hour);
      for (size_t f = 0; f < factors_; ++f) {
        const size_t size = size_t{model.shape.channels} * model.shape.kinds * kHoursOfWeek;
        zone.factor_slot[f * kind_size + j * kSlotStride + s] =
            model.factors[f * size + model.TogetherAt(frame_.channels[c].model, static_cast<uint8_t>(k), hour)];
      }
    }
    for (size_t c = 0; c < channels; ++c) {
      const ChannelSettings& channel = frame_.settings.channels[frame_.channels[c].settings];
      const std::vector<DayHours>& quiet = channel.has_quiet ? channel.quiet : frame_.settings.limits.quiet;
      for (int minute = 0; minute < 60 && zone.minute[c * kSlots + s] < 0; ++minute) {
        const Timestamp at{begin.ms + minute * kMinuteMs};
        const int weekday = zone.local->WeekdayAt(at), of_day = zone.local->MinuteOfDayAt(at);
        const bool is_quiet = std::any_of(quiet.begin(), quiet.end(),
                                          [&](const DayHours& hours) { return hours.Holds(weekday, of_day); });
        if (!is_quiet) zone.minute[c * kSlots + s] = static_cast<int16_t>(minute);
      }
      if (zone.minute[c * kSlots + s] < 0) continue;
      zone.channel_slot[c * kSlotStride + s] =
          model.level + model.channel_hour[frame_.channels[c].model * kHoursOfWeek + zone.hour_of_slot[s]];
    }
  }
  return zone;
}

// Whether a cap can forbid anything to this customer within the plan: a count from above, without looking at windows.
bool PlanCustomers::MayBind(const FrequencyCap& cap, const std::string& channel,
                            const ContactCustomer& customer) const {
  if (!cap.channel.empty() && cap.channel != channel) return false;
  const int64_t reach_ms = ReachMs(cap);
  size_t count = 0;
  for (const Contact& contact : customer.log.contacts) {
    if (contact.time.ms > frame_.from.ms - reach_ms) ++count;
  }
  return count + 1 > cap.count;
}

// What forbids the channel at all times, kNone: nothing does. Marks the slots where something forbids some.
ContactRefusal PlanCustomers::Rules(const Feasibility& rules, size_t channel, const PlanEvidence& evidence,
                                    const ZoneTables& zone, Row* row, uint8_t* slots, uint32_t* topic_bits) const {
  Feasibility::Question question;
  question.purpose = frame_.purpose;
  question.channel = &frame_.settings.channels[frame_.channels[channel].settings];
  if (evidence.holdout && !IsService(frame_.purpose)) return ContactRefusal::kHoldout;
  ContactRefusal standing = ContactRefusal::kNone;
  bool any_topic = false;
  for (size_t t = 0; t < topics_.size(); ++t) {
    question.topic = topics_[t];
    const ContactRefusal refusal = rules.Standing(question);
    if (refusal == ContactRefusal::kNone) topic_bits[t] |= 1u << channel;
    any_topic |= refusal == ContactRefusal::kNone;
    if (standing == ContactRefusal::kNone) standing = refusal;
  }
  if (!any_topic) return standing;
  const std::vector<FrequencyCap>& caps = frame_.settings.limits.caps;
  const bool by_time = question.channel->messaging_window_hours > 0 ||
                       std::any_of(caps.begin(), caps.end(), [&](const FrequencyCap& cap) {
                         return MayBind(cap, question.channel->name, *evidence.customer);
                       });
  ContactRefusal last = ContactRefusal::kQuietHours;
  size_t left = 0;
  for (size_t s = 0; s < kSlots; ++s) {
    const int minute = zone.minute[channel * kSlots + s];
    bool allowed = minute >= 0;
    if (allowed && by_time) {
      const ContactRefusal refusal =
          rules.At(question, {frame_.from.ms + static_cast<int64_t>(s) * kHourMs + minute * kMinuteMs}, nullptr);
      allowed = refusal == ContactRefusal::kNone;
      if (!allowed) last = refusal;
    }
    if (!allowed) continue;
    slots[s / 8] = static_cast<uint8_t>(slots[s / 8] | 1u << (s % 8));
    ++left;
  }
  row->own_slots |= by_time;
  return left > 0 ? ContactRefusal::kNone : last;
}

void PlanCustomers::Set(uint32_t index, const PlanEvidence& evidence) {
  const ZoneTables* zone = nullptr;
  {
    std::lock_guard hold(zones_mutex_);
    zone = &zones_[evidence.zone];  // a deque: it stays where it is
  }
  Row& row = rows_[index];
  row.external_id = evidence.external_id;
  row.zone = evidence.zone;
  row.zone_source = evidence.zone_source;
  row.personal = evidence.personal;
  row.contacts_known = evidence.contacts_known;
  const size_t channels = frame_.channels.size();
  const ResponseModel& model = frame_.model;
  const CustomerResponse& response = *evidence.response;
  float* own = own_.data() + own_size_ * index;
  for (size_t s = 0; s < kSlots; ++s) own[s] = response.own_hour.empty() ? 0 : response.own_hour[zone->hour_of_slot[s]];
  float *levels = own + kSlots, *kinds = levels + channels, *costs = kinds + shape_.kinds;
  for (size_t k = 0; k < shape_.kinds; ++k) kinds[k] = response.own_kind.empty() ? 0 : response.own_kind[k];
  for (size_t f = 0; f < response.together.size(); ++f) costs[channels + f] = response.together[f];
  const Feasibility rules(frame_.settings, *evidence.customer, *zone->local);
  for (size_t c = 0; c < channels; ++c) {
    const uint8_t in_model = frame_.channels[c].model;
    levels[c] = response.level + (response.own_channel.empty() ? 0 : response.own_channel[in_model]) +
                model.Fatigue(in_model, evidence.recent_sends);
    costs[c] = static_cast<float>(frame_.settings.channels[frame_.channels[c].settings].cost +
                                  model.UnsubscribeProbability(in_model, evidence.recent_sends) *
                                      frame_.settings.limits.lifetime_value);
    const ContactRefusal refusal =
        Rules(rules, c, evidence, *zone, &row, own_slots_.data() + (index * channels + c) * kSlotBytes,
              topic_bits_.data() + index * topics_.size());
    if (refusal == ContactRefusal::kNone) row.channels |= 1u << c;
    if (row.refusal == ContactRefusal::kNone) row.refusal = refusal;
  }
  SetRefused(index, evidence.refused);
  if (!affinity_.empty()) {
    std::copy(evidence.affinity.begin(), evidence.affinity.end(),
              affinity_.begin() + static_cast<ptrdiff_t>(index * shape_.contents()));
  }
}

void PlanCustomers::SetRefused(uint32_t index, std::span<const uint8_t> refused) {
  if (refused_.empty()) return;
  Row& row = rows_[index];
  uint8_t* bits = refused_.data() + (shape_.contents() + 7) / 8 * index;
  size_t count = 0;
  for (size_t i = 0; i < refused.size(); ++i) {
    if (refused[i] == 0) continue;
    bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 1u << (i % 8));
    ++count;
  }
  row.refuses = count > 0;
  if (count < shape_.contents()) return;
  row.channels = 0;
  if (row.refusal == ContactRefusal::kNone) row.refusal = ContactRefusal::kContent;
}

// Everybody's table, or one of the customer's own: everybody's and what the customer's traits say of kinds, channels
// and hours together.
void PlanCustomers::FillKinds(const ZoneTables& zone, uint32_t channel_bits, const float* together,
                              CustomerArms* arms) const {
  arms->kind_slot = zone.kind_slot.data();
  arms->kind_slot_step = kind_slot_step_;
  if (std::all_of(together, together + factors_, [](float one) { return one == 0; })) return;
  arms->own_kind_slot.resize(zone.kind_slot.size());
  const arm_kernels::Kernels& kernels = arm_kernels::BestKernels();
  for (size_t c = 0; c < frame_.channels.size(); ++c) {
    if ((channel_bits >> c & 1) == 0) continue;
    const size_t from = c * kind_slot_step_;
    kernels.mixed_row(zone.kind_slot.data() + from, zone.factor_slot.data() + from, zone.kind_slot.size(), together,
                      factors_, kind_slot_step_, arms->own_kind_slot.data() + from);
  }
  arms->kind_slot = arms->own_kind_slot.data();
}

void PlanCustomers::Fill(uint32_t index, CustomerArms* arms) const {
  const Row& row = rows_[index];
  const ZoneTables& zone = zones_[row.zone];
  const size_t channels = frame_.channels.size(), stride = shape_.content_stride();
  const float* own = own_.data() + own_size_ * index;
  const float *levels = own + kSlots, *kinds = levels + channels, *costs = kinds + shape_.kinds;
  FillKinds(zone, row.channels, costs + channels, arms);
  for (size_t c = 0; c < channels; ++c) {
    arms->cost[c] = costs[c];
    float* slots = arms->channel_slot.data() + c * kSlotStride;
    if ((row.channels >> c & 1) == 0) {
      std::fill(slots, slots + kSlots, kNotAllowed);
      continue;
    }
    const float* base = zone.channel_slot.data() + c * kSlotStride;
    for (size_t s = 0; s < kSlots; ++s) slots[s] = base[s] + (own[s] + levels[c]);
    if (row.own_slots) {
      const uint8_t* bits = own_slots_.data() + (index * channels + c) * kSlotBytes;
      for (size_t s = 0; s < kSlots; ++s) {
        if ((bits[s / 8] >> (s % 8) & 1) == 0) slots[s] = kNotAllowed;
      }
    }
    float* contents = arms->content_channel.data() + c * stride;
    const float* of_content = content_channel_.data() + c * stride;
    for (size_t i = 0; i < shape_.contents(); ++i) contents[i] = of_content[i] + kinds[shape_.content_kind[i]];
    if (!affinity_.empty()) {
      const float* affinity = affinity_.data() + index * shape_.contents();
      for (size_t i = 0; i < shape_.contents(); ++i) contents[i] += frame_.model.affinity * affinity[i];
    }
    if (row.refuses) {
      const uint8_t* bits = refused_.data() + (shape_.contents() + 7) / 8 * index;
      for (size_t i = 0; i < shape_.contents(); ++i) {
        if ((bits[i / 8] >> (i % 8) & 1) != 0) contents[i] = kNotAllowed;
      }
    }
    if (topics_.size() < 2) continue;
    const uint32_t* topic_bits = topic_bits_.data() + index * topics_.size();
    for (size_t i = 0; i < shape_.contents(); ++i) {
      if ((topic_bits[topic_of_[i]] >> c & 1) == 0) contents[i] = kNotAllowed;
    }
  }
}

ArmSource PlanCustomers::Source() const {
  return [this](uint32_t customer, CustomerArms* arms) { Fill(customer, arms); };
}

PlanCustomers::Known PlanCustomers::known(uint32_t index) const {
  const Row& row = rows_[index];
  const ZoneTables& zone = zones_[row.zone];
  return {zone.name, *zone.local, row.zone_source, row.personal, row.contacts_known};
}

Timestamp PlanCustomers::TimeOf(uint32_t index, Arm arm) const {
  const int minute = zones_[rows_[index].zone].minute[arm.channel * kSlots + arm.slot];
  return {frame_.from.ms + arm.slot * kHourMs + minute * kMinuteMs};
}

}  // namespace rapport
