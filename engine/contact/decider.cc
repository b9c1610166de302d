#include "engine/contact/decider.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/random.h"
#include "engine/contact/response_evidence.h"

namespace rapport {
namespace {

double Sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

// When one channel at one place may be used, one moment per hour at most, with what does not depend on the content.
struct Slot {
  Timestamp at;
  uint16_t hour = 0;
  double logit = 0;        // of the hour on this channel, fatigue within
  double unsubscribe = 0;  // probability
  double penalty = 0;      // cost of the send and risk of the unsubscription, in money
};

// Arms of one decision, gathered way by way. One owner, one call.
class Arms {
 public:
  explicit Arms(const DecisionInput& input) : input_(input) { input.model.FillTable(input.response, table_); }

  void GatherChannel(uint32_t channel) {
    const ChannelSettings& settings = input_.settings.channels[channel];
    if (!settings.at_place) return GatherWay(channel, kNoPlaceArm);
    for (uint32_t place = 0; place < input_.settings.places.size(); ++place) {
      const std::vector<std::string>& uses = input_.settings.places[place].channels;
      const bool usable = uses.empty() || std::find(uses.begin(), uses.end(), settings.name) != uses.end();
      if (usable && IsTooFar(input_.settings.places[place])) {
        Remove(channel, ContactRefusal::kTooFar, HoursOfWindow() * input_.contents.size());
      } else if (usable) {
        GatherWay(channel, place);
      }
    }
  }

  DecisionOutcome Take() {
    outcome_.feasible = feasible_;
    for (const auto& [key, count] : removed_) outcome_.removed.push_back({key.second, key.first, count});
    const size_t most = input_.settings.limits.shortlist - 1;
    const auto better = [](const DecisionArm& a, const DecisionArm& b) {
      return std::tie(b.value, a.at, a.channel, a.content, a.place) <
             std::tie(a.value, b.at, b.channel, b.content, b.place);
    };
    const size_t kept = std::min(most, arms_.size());
    std::partial_sort(arms_.begin(), arms_.begin() + static_cast<ptrdiff_t>(kept), arms_.end(), better);
    arms_.resize(kept);
    arms_.push_back(DecisionArm{});  // nothing, worth 0
    std::stable_sort(arms_.begin(), arms_.end(),
                     [](const DecisionArm& a, const DecisionArm& b) { return a.value > b.value; });
    outcome_.shortlist = std::move(arms_);
    return std::move(outcome_);
  }

 private:
  void Remove(uint32_t channel, ContactRefusal refusal, uint64_t arms) { removed_[{channel, refusal}] += arms; }

  bool IsTooFar(const PlaceSettings& place) const {
    return input_.near && place.has_position && place.within_km > 0 &&
           DistanceKm(*input_.near, {place.latitude, place.longitude}) > place.within_km;
  }
  uint64_t HoursOfWindow() const {
    return static_cast<uint64_t>((input_.until.ms - input_.from.ms + kHourMs - 1) / kHourMs);
  }

  void GatherWay(uint32_t channel, uint32_t place) {
    Feasibility rules(input_.settings, input_.customer, input_.local);
    Feasibility::Question question;
    question.purpose = input_.purpose;
    question.channel = &input_.settings.channels[channel];
    if (place != kNoPlaceArm) {
      question.place = &input_.settings.places[place];
      question.place_time = input_.place_times[place];
    }
    const uint64_t hours = HoursOfWindow();
    std::vector<uint32_t> allowed;
    for (uint32_t content = 0; content < input_.contents.size(); ++content) {
      question.topic = input_.contents[content].topic;
      ContactRefusal refusal = rules.Standing(question);
      if (refusal == ContactRefusal::kNone && input_.holdout && !IsService(input_.purpose))
        refusal = ContactRefusal::kHoldout;
      if (refusal == ContactRefusal::kNone) {
        allowed.push_back(content);
      } else {
        Remove(channel, refusal, hours);
      }
    }
    if (allowed.empty()) return;
    const std::vector<Slot> slots = SlotsOf(rules, question, channel, place, allowed.size());
    double penalty_min = 0;
    for (size_t i = 0; i < slots.size(); ++i)
      penalty_min = i == 0 ? slots[i].penalty : std::min(penalty_min, slots[i].penalty);
    std::map<uint8_t, std::vector<Ranked>> by_kind;
    for (const uint32_t content : allowed) {
      const uint8_t kind = input_.contents[content].kind;
      const auto [ranked, is_new] = by_kind.try_emplace(kind);
      if (is_new) ranked->second = RankSlots(ModelChannel(channel), kind, slots);
      GatherContent(content, channel, place, slots, ranked->second, penalty_min);
    }
  }

  std::vector<Slot> SlotsOf(const Feasibility& rules, const Feasibility::Question& question, uint32_t channel,
                            uint32_t place, uint64_t contents) {
    std::vector<Slot> slots;
    for (Timestamp begin = input_.from; begin < input_.until;) {
      const Timestamp end{std::min(input_.until.ms, (begin.ms / kHourMs + 1) * kHourMs)};
      Feasibility::Moment moment = rules.First(question, begin, end);
      const bool full = IsFull(input_.full_hours, channel, begin) || IsFull(input_.full_place_hours, place, begin);
      if (moment.at && full) moment = {std::nullopt, ContactRefusal::kCapacity};
      if (moment.at) {
        slots.push_back(SlotAt(*moment.at, channel));
      } else {
        Remove(channel, moment.refusal, contents);
      }
      begin = end;
    }
    return slots;
  }

  // A slot lies within one hour.
  bool IsFull(const std::vector<std::vector<uint8_t>>& full, uint32_t index, Timestamp begin) const {
    if (index >= full.size() || full[index].empty()) return false;  // kNoPlaceArm among them
    return full[index][static_cast<size_t>(begin.ms / kHourMs - input_.from.ms / kHourMs)] != 0;
  }

  uint8_t ModelChannel(uint32_t channel) const {
    return static_cast<uint8_t>(std::max(input_.model_channel[channel], 0));
  }

  Slot SlotAt(Timestamp at, uint32_t channel) const {
    Slot slot;
    slot.at = at;
    slot.hour = static_cast<uint16_t>(input_.local.HourOfWeekAt(at));
    // Earlier sends fade while we wait: the same half-life as in the evidence.
    const float recent = input_.recent_sends * static_cast<float>(DecayOfSends(at.ms - input_.from.ms));
    const uint8_t model_channel = ModelChannel(channel);
    slot.logit =
        table_.hour_channel[model_channel * kHoursOfWeek + slot.hour] + input_.model.Fatigue(model_channel, recent);
    slot.unsubscribe = input_.model.UnsubscribeProbability(model_channel, recent);
    slot.penalty = input_.settings.channels[channel].cost + slot.unsubscribe * input_.settings.limits.lifetime_value;
    return slot;
  }

  // A content only shifts the logits of its kind: the order of the hours is the same for all contents of a kind.
  struct Ranked {
    double logit;  // of hour, channel and kind
    uint32_t slot;
  };
  std::vector<Ranked> RankSlots(uint8_t model_channel, uint8_t kind, const std::vector<Slot>& slots) const {
    std::vector<Ranked> ranked;
    ranked.reserve(slots.size());
    for (uint32_t s = 0; s < slots.size(); ++s) {
      const uint16_t hour = slots[s].hour;
      ranked.push_back(
          {slots[s].logit + table_.kind_hour[kind * kHoursOfWeek + hour] + Together(model_channel, kind, hour), s});
    }
    std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
      return a.logit != b.logit ? a.logit > b.logit : a.slot < b.slot;
    });
    return ranked;
  }

  double Together(uint8_t model_channel, uint8_t kind, uint16_t hour) const {
    return table_.together.empty() ? 0 : table_.together[input_.model.TogetherAt(model_channel, kind, hour)];
  }

  // The slots (ascending in time) within which the content may arrive.
  std::pair<uint32_t, uint32_t> InTime(const ContentChoice& choice, uint32_t channel,
                                       const std::vector<Slot>& slots) const {
    const double delivery_ms = input_.settings.channels[channel].delivery_minutes * static_cast<double>(kMinuteMs);
    const auto first = std::partition_point(slots.begin(), slots.end(), [&](const Slot& slot) {
      return choice.published_at && slot.at < *choice.published_at;
    });
    const auto last = std::partition_point(first, slots.end(), [&](const Slot& slot) {
      return !choice.expires_at || slot.at.ms + static_cast<int64_t>(delivery_ms) < choice.expires_at->ms;
    });
    return {static_cast<uint32_t>(first - slots.begin()), static_cast<uint32_t>(last - slots.begin())};
  }

  // The best kHoursPerChoiceMax hours of one content. From the highest logit down, until no lower one can bring more:
  // a value is at most margin x probability - the smallest penalty.
  void GatherContent(uint32_t content, uint32_t channel, uint32_t place, const std::vector<Slot>& slots,
                     const std::vector<Ranked>& ranked, double penalty_min) {
    const ContentChoice& choice = input_.contents[content];
    const auto [first, last] = InTime(choice, channel, slots);
    if (last - first < slots.size()) Remove(channel, ContactRefusal::kTooLate, slots.size() - (last - first));
    feasible_ += last - first;
    double fixed = input_.model.ContentChannel(choice.row, choice.kind, ModelChannel(channel)) +
                   static_cast<double>(input_.model.affinity) * choice.affinity;
    if (place != kNoPlaceArm && input_.model_place[place] >= 0) {
      fixed += table_.place[static_cast<size_t>(input_.model_place[place])];
    }
    const auto better = [](const DecisionArm& a, const DecisionArm& b) {
      return a.value != b.value ? a.value > b.value : a.at < b.at;
    };
    scratch_.clear();
    for (const Ranked& one : ranked) {
      if (one.slot < first || one.slot >= last) continue;
      const Slot& slot = slots[one.slot];
      DecisionArm arm;
      arm.probability = Sigmoid(one.logit + fixed);
      const bool full = scratch_.size() == kHoursPerChoiceMax;
      if (full && arm.probability * choice.margin - penalty_min < scratch_.back().value) break;
      arm.content = content;
      arm.channel = channel;
      arm.place = place;
      arm.at = slot.at;
      arm.hour = slot.hour;
      arm.unsubscribe = slot.unsubscribe;
      arm.cost = input_.settings.channels[channel].cost;
      arm.margin = choice.margin;
      arm.value = arm.probability * arm.margin - slot.penalty;
      if (full && !better(arm, scratch_.back())) continue;
      if (full) scratch_.pop_back();
      scratch_.insert(std::upper_bound(scratch_.begin(), scratch_.end(), arm, better), arm);
    }
    arms_.insert(arms_.end(), scratch_.begin(), scratch_.end());
  }

  const DecisionInput& input_;
  ResponseTable table_;
  std::vector<DecisionArm> arms_, scratch_;
  std::map<std::pair<uint32_t, ContactRefusal>, uint64_t> removed_;
  uint64_t feasible_ = 0;
  DecisionOutcome outcome_;
};

}  // namespace

double MarginOf(const Item& item, const ContactLimits& limits) {
  return std::max(0.0, item.margin ? item.margin->ToDouble() * limits.response_to_order : limits.response_margin);
}

float AffinityOf(size_t place, size_t count) {
  return count < 2 ? 0 : 1 - 2 * static_cast<float>(place) / static_cast<float>(count - 1);
}

std::string TopicOf(const Item& item) {
  const auto found = item.attributes.find("topic");
  const auto* text = found == item.attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text == nullptr ? "" : *text;
}

void SetPropensities(std::vector<DecisionArm>& shortlist, double temperature, double exploration) {
  double best = shortlist.front().value;
  for (const DecisionArm& arm : shortlist) best = std::max(best, arm.value);
  double sum = 0;
  bool found = false;
  for (DecisionArm& arm : shortlist) {
    if (temperature > 0) {
      arm.propensity = std::exp((arm.value - best) / temperature);
    } else {
      arm.propensity = !found && arm.value == best ? 1 : 0;
      found |= arm.value == best;
    }
    sum += arm.propensity;
  }
  const double even = exploration / static_cast<double>(shortlist.size());
  for (DecisionArm& arm : shortlist) arm.propensity = (1 - exploration) * arm.propensity / sum + even;
}

DecisionArm DrawArm(std::span<const DecisionArm> shortlist, uint64_t seed) {
  double left = Random(seed).Uniform();
  for (const DecisionArm& arm : shortlist) {
    left -= arm.propensity;
    if (left < 0) return arm;
  }
  return shortlist.back();
}

DecisionOutcome Decide(const DecisionInput& input) {
  Arms arms(input);
  for (const uint32_t channel : input.channels) arms.GatherChannel(channel);
  DecisionOutcome outcome = arms.Take();
  SetPropensities(outcome.shortlist, input.settings.limits.temperature, input.settings.limits.exploration);
  outcome.chosen = DrawArm(outcome.shortlist, input.seed);
  return outcome;
}

}  // namespace rapport
