#include "server/training_schedule.h"

#include <algorithm>

namespace rapport {

Result<int> ParseMinuteOfDay(const std::string& text) {
  const auto digit = [&text](size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  const bool shaped = text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4);
  const int hour = shaped ? (text[0] - '0') * 10 + text[1] - '0' : 99;
  const int minute = shaped ? (text[3] - '0') * 10 + text[4] - '0' : 99;
  if (hour > 23 || minute > 59) return Status::InvalidArgument("must be a time of the day as 03:30");
  return hour * 60 + minute;
}

Result<TrainingSchedule> TrainingSchedule::Make(const TrainingPlan& plan, Timestamp now, std::optional<Training> last) {
  Result<TimeZone> zone = TimeZone::Open(plan.time_zone);
  if (!zone.ok()) return zone.status();
  TrainingSchedule schedule(plan, zone.Take());
  if (last) {
    schedule.Started(last->started, last->events);
    // A daily time that passed while nobody was there is not made up for.
    if (plan.at_minute) schedule.next_ = schedule.After(now);
  } else {
    schedule.next_ = schedule.After(now);
  }
  return schedule;
}

Timestamp TrainingSchedule::After(Timestamp time) const {
  if (!plan_.at_minute) return {time.ms + static_cast<int64_t>(plan_.every_hours * kHourMs)};
  const CivilTime wall = zone_.ToWall(time);
  for (int day = 0;; ++day) {
    const CivilTime date = UtcToCivil({CivilToUtc({wall.year, wall.month, wall.day}).ms + day * kDayMs});
    const Timestamp due =
        zone_.ToUtc({date.year, date.month, date.day, *plan_.at_minute / 60, *plan_.at_minute % 60, 0});
    if (due > time) return due;
  }
}

void TrainingSchedule::Started(Timestamp when, uint64_t events) {
  events_before_ = events;
  next_ = After(when);
  told_ = false;
}

TrainingAdvice TrainingSchedule::Ask(Timestamp now, uint64_t events, bool running) {
  if (now < next_) return TrainingAdvice::kNotDue;
  if (running) return TrainingAdvice::kBusy;
  if (events < events_before_ || events - events_before_ < plan_.events_min) {
    if (plan_.at_minute) {
      next_ = After(now);
      told_ = false;
    }
    return TrainingAdvice::kTooFewEvents;
  }
  Started(now, events);
  return TrainingAdvice::kStart;
}

}  // namespace rapport
