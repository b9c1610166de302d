// One customer's contacts in the simulated shop: planned, chosen, answered (simulated_contacts.h).
#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <utility>

#include "base/random.h"
#include "base/time_zone.h"
#include "engine/learning/simulated_contacts.h"

namespace rapport {
namespace {

// Streams forked from the seed, after those of simulated_contacts.cc.
constexpr uint64_t kContactStream = uint64_t{7} << 32;
constexpr uint64_t kChosenStream = uint64_t{8} << 32;

constexpr double kHabitShare = 0.8, kOpenedOnly = 0.2;
constexpr uint16_t kHabitHour = 24 + 10;  // Tuesday 10:00

std::string IdOf(size_t index, size_t contact) {
  const std::string digits = std::to_string(index + 1);
  return "contact-" + std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits + "-" +
         std::to_string(contact);
}

// A day on either side of the weeks is left free.
size_t WeeksOf(size_t days) { return (days - 2) / 7; }

// One owner, one thread.
class Contacting {
 public:
  Contacting(const ContactWorld& world, const SimulatedShop& shop, size_t index, TimeZone zone)
      : world_(world),
        index_(index),
        person_(world.people[index]),
        days_(shop.options.days),
        zone_(std::move(zone)),
        random_(Random(world.seed).Fork(kContactStream + index)) {
    for (size_t i = 1; i < world.contents.size(); ++i) {
      if (world.contents[i].appeal > world.contents[habit_content_].appeal) habit_content_ = i;
    }
    for (uint16_t hour = 0; hour < kHoursOfWeek; ++hour) {
      if (InSendingWindow(hour)) hours_.push_back(hour);
    }
  }

  ContactHistory Run() {
    Plan();
    Timestamp last = world_.start;
    for (Planned& planned : plan_) {
      Decay(last, planned.time);
      last = planned.time;
      Send(planned);
    }
    Decay(last, world_.end);
    return std::move(history_);
  }

  ContactHistory Continue(size_t first_week, size_t end_week, const ContactChooser& chooser, ContactHistory history) {
    history_ = std::move(history);
    Plan();
    if (chooser) random_ = Random(world_.seed).Fork(kChosenStream + index_).Fork(first_week);
    Timestamp last = history_.contacts.empty() ? world_.start : history_.contacts.back().time;
    for (size_t week = first_week; week < end_week; ++week) {
      for (const Planned& planned : chooser ? Choose(week, chooser, last) : PlannedIn(week)) {
        if (IsLeft(planned)) continue;
        Decay(last, planned.time);
        last = planned.time;
        Send(planned);
      }
    }
    return std::move(history_);
  }

 private:
  struct Planned {
    Timestamp time;
    uint16_t hour = 0;
    double propensity = 1;
    size_t week = 0;
    std::optional<ContactArm> arm;  // chosen by somebody else; its hour is `hour`
  };

  std::vector<Planned> PlannedIn(size_t week) const {
    std::vector<Planned> planned;
    std::copy_if(plan_.begin(), plan_.end(), std::back_inserter(planned),
                 [week](const Planned& one) { return one.week == week; });
    return planned;
  }

  // The channel that was chosen is left meanwhile; without a choice: all of them are.
  bool IsLeft(const Planned& planned) const {
    if (planned.arm) return history_.unsubscribed[planned.arm->channel];
    return std::all_of(history_.unsubscribed.begin(), history_.unsubscribed.end(), [](bool left) { return left; });
  }

  // As many as are planned in the week, in the order of their times.
  std::vector<Planned> Choose(size_t week, const ContactChooser& chooser, Timestamp last) {
    ContactQuestion question{index_, WallMidnight(week), WallMidnight(week + 1), history_.unsubscribed, 0, {}};
    const double days = static_cast<double>(question.from.ms - last.ms) / kDayMs;
    question.recent_sends = history_.recent_sends * std::exp2(-days / kRecentHalfLifeDays);
    for (size_t k = PlannedIn(week).size(); k > 0; --k) question.seeds.push_back(random_.NextU64());
    std::vector<Planned> chosen;
    if (question.seeds.empty()) return chosen;
    for (const ContactChoice& choice : chooser(question, history_)) {
      const int64_t minute = static_cast<int64_t>(random_.Below(60));
      const Timestamp time{(choice.at.ms / kHourMs) * kHourMs + minute * kMinuteMs};
      chosen.push_back({time, choice.arm.hour, choice.propensity, week, choice.arm});
    }
    std::stable_sort(chosen.begin(), chosen.end(), [](const Planned& a, const Planned& b) { return a.time < b.time; });
    return chosen;
  }

  bool Habitual() { return world_.options.policy == ContactPolicy::kHabit && random_.Uniform() < kHabitShare; }
  double Propensity(bool is_habit, size_t choices) const {
    const double uniform = 1.0 / static_cast<double>(choices);
    if (world_.options.policy != ContactPolicy::kHabit) return uniform;
    return (is_habit ? kHabitShare : 0) + (1 - kHabitShare) * uniform;
  }

  // Hours first: they are allowed whatever happens. The k-th contact falls in its share of the weeks.
  void Plan() {
    const size_t count = world_.options.contacts[index_ % world_.options.contacts.size()];
    const size_t weeks = WeeksOf(days_);
    for (size_t k = 0; k < count; ++k) {
      Planned planned;
      planned.hour = Habitual() ? kHabitHour : hours_[random_.Below(hours_.size())];
      planned.propensity = Propensity(planned.hour == kHabitHour, hours_.size());
      const auto week = static_cast<size_t>((static_cast<double>(k) + random_.Uniform()) / static_cast<double>(count) *
                                            static_cast<double>(weeks));
      planned.week = std::min(week, weeks - 1);
      planned.time = AtHour(planned.week, planned.hour, random_.Below(60));
      plan_.push_back(planned);
    }
    std::stable_sort(plan_.begin(), plan_.end(), [](const Planned& a, const Planned& b) { return a.time < b.time; });
  }

  // A day on either side of the weeks is left free, so that no zone's wall clock leaves the shop's days.
  Timestamp AtHour(size_t week, uint16_t hour, uint64_t minute) const {
    const Timestamp first = ContactWeekStart(world_, week);
    const size_t weekday = HourOfWeek(first) / 24;
    const size_t ahead = (hour / 24 + 7 - weekday) % 7;
    CivilTime wall = UtcToCivil(Timestamp{first.ms + static_cast<int64_t>(ahead) * kDayMs});
    wall.hour = hour % 24;
    wall.minute = static_cast<int>(minute);
    wall.second = 0;
    return zone_.ToUtc(wall);
  }

  Timestamp WallMidnight(size_t week) const {
    CivilTime wall = UtcToCivil(ContactWeekStart(world_, week));
    wall.hour = wall.minute = wall.second = 0;
    return zone_.ToUtc(wall);
  }

  void Decay(Timestamp from, Timestamp to) {
    const double days = static_cast<double>(to.ms - from.ms) / kDayMs;
    history_.recent_sends *= std::exp2(-days / kRecentHalfLifeDays);
  }

  void Send(const Planned& planned) {
    std::vector<uint8_t> channels;
    for (uint8_t channel = 0; channel < kContactChannels; ++channel) {
      if (!history_.unsubscribed[channel]) channels.push_back(channel);
    }
    if (channels.empty()) return;
    SimulatedContact made;
    made.id = IdOf(index_, history_.contacts.size() + 1);
    made.time = planned.time;
    if (planned.arm) {
      made.arm = *planned.arm;
      made.propensity = planned.propensity;
    } else {
      DrawArm(planned, channels, &made);
    }
    const uint8_t channel = made.arm.channel;
    made.recent_sends = history_.recent_sends;
    made.true_response = TrueResponse(world_, person_, made.arm, made.recent_sends, made.time);
    made.true_unsubscribe = TrueUnsubscribe(world_, person_, channel, made.recent_sends);
    Outcome(&made);
    history_.unsubscribed[channel] = made.unsubscribed.has_value();
    history_.recent_sends += 1;
    history_.contacts.push_back(std::move(made));
  }

  void DrawArm(const Planned& planned, const std::vector<uint8_t>& channels, SimulatedContact* made) {
    const size_t content = Habitual() ? habit_content_ : random_.Below(world_.contents.size());
    const uint8_t channel = Habitual() ? channels.front() : channels[random_.Below(channels.size())];
    made->arm = {static_cast<uint16_t>(content), planned.hour, channel};
    made->propensity = planned.propensity * Propensity(content == habit_content_, world_.contents.size()) *
                       Propensity(channel == channels.front(), channels.size());
  }

  void Outcome(SimulatedContact* made) {
    const bool answered = random_.Uniform() < made->true_response;
    const bool leaves = random_.Uniform() < made->true_unsubscribe;
    const bool opened = random_.Uniform() < kOpenedOnly || answered || leaves;
    const auto after = [&](Timestamp time, double mean_minutes) {
      return Timestamp{time.ms + 5 * kSecondMs + static_cast<int64_t>(random_.Exponential(mean_minutes) * kMinuteMs)};
    };
    if (opened) made->opened = after(made->time, 90);
    if (answered) made->answered = after(*made->opened, 2);
    if (leaves) made->unsubscribed = after(*made->opened, 4);
  }

  const ContactWorld& world_;
  const size_t index_;
  const ContactPerson& person_;
  const size_t days_;
  const TimeZone zone_;
  Random random_;
  size_t habit_content_ = 0;
  std::vector<uint16_t> hours_;
  std::vector<Planned> plan_;
  ContactHistory history_;
};

}  // namespace

ContactHistory SimulateContacts(const ContactWorld& world, const SimulatedShop& shop, size_t customer) {
  Result<TimeZone> zone = TimeZone::Open(shop.customers[customer].profile.time_zone);
  if (!zone.ok()) return {};  // MakeContactWorld gives only zones that exist
  return Contacting(world, shop, customer, zone.Take()).Run();
}

size_t ContactWeeks(const SimulatedShop& shop) { return WeeksOf(shop.options.days); }

Timestamp ContactWeekStart(const ContactWorld& world, size_t week) {
  return Timestamp{world.start.ms + static_cast<int64_t>(1 + 7 * week) * kDayMs};
}

void ContinueContacts(const ContactWorld& world, const SimulatedShop& shop, size_t customer, size_t first_week,
                      size_t end_week, const ContactChooser& chooser, ContactHistory* history) {
  Result<TimeZone> zone = TimeZone::Open(shop.customers[customer].profile.time_zone);
  if (!zone.ok()) return;  // MakeContactWorld gives only zones that exist
  *history =
      Contacting(world, shop, customer, zone.Take()).Continue(first_week, end_week, chooser, std::move(*history));
}

}  // namespace rapport
