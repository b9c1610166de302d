// When to train again without being asked. A decision over plain numbers: time and counts are arguments, nothing waits
// here.
//
//   every H hours   due when H hours have passed since the last training started (since the server's start when there
//                   was none); due it stays until enough new events have arrived
//   at HH:MM        due at that wall time in the shop's zone, once a day; with too few new events that day is left out
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/time.h"
#include "base/time_zone.h"

namespace rapport {

// The configuration's `training`.
struct TrainingPlan {
  double every_hours = 0;         // 0: not by hours
  std::optional<int> at_minute;   // of the day, 0..1439
  std::string time_zone = "UTC";  // of at_minute
  uint64_t events_min = 1000;     // fewer new events since the last training: none
  bool activate = true;
  bool responses = true;  // the response model after the content model, where there are contacts
  int threads = 0;        // 0: one core is left to page views
  bool scheduled() const { return every_hours > 0 || at_minute.has_value(); }
};

// "03:30" -> 210. kInvalidArgument otherwise.
Result<int> ParseMinuteOfDay(const std::string& text);

enum class TrainingAdvice : uint8_t {
  kNotDue,
  kTooFewEvents,
  kBusy,  // a training runs: asked again
  kStart,
};

// One owner; not thread-safe (the zone's scratch). REQUIRES plan.scheduled().
class TrainingSchedule {
 public:
  // kInvalidArgument for a zone that is not known. `last`: the last training's start, and the events known then; none
  // ever: nullopt.
  struct Training {
    Timestamp started;
    uint64_t events = 0;
  };
  static Result<TrainingSchedule> Make(const TrainingPlan& plan, Timestamp now, std::optional<Training> last);

  // `events`: how many the store has. kStart counts as started, and kTooFewEvents as told for this due time.
  TrainingAdvice Ask(Timestamp now, uint64_t events, bool running);
  // Somebody started one by hand.
  void Started(Timestamp when, uint64_t events);
  Timestamp next() const { return next_; }
  // Of the last due time only the first kTooFewEvents is news.
  bool told() const { return told_; }
  void Tell() { told_ = true; }

 private:
  TrainingSchedule(const TrainingPlan& plan, TimeZone zone) : plan_(plan), zone_(std::move(zone)) {}
  // The first due time after `time`.
  Timestamp After(Timestamp time) const;

  TrainingPlan plan_;
  TimeZone zone_;
  Timestamp next_;
  uint64_t events_before_ = 0;
  bool told_ = false;
};

}  // namespace rapport
