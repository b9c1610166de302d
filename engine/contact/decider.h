// The joint decision for one customer: which content, on which channel, at which minute and place, or nothing.
//
//   arm value  v = P(response | arm) x margin - cost of the send - P(unsubscribe | arm) x lifetime value;  nothing: 0
//   draw       pi = (1 - e) softmax(v / temperature) + e / n over a shortlist of the n - 1 best feasible arms and
//   nothing;
//              temperature 0: the best alone
// The hard rules (feasibility.h) take arms away before anything is scored. Nothing shifts an arm after the draw. With
// the same input and seed it is the same decision: replay is calling it again.
// A response can only follow a send here, so P(response | nothing) is 0; what would have been bought anyway is the
// business of holdouts and uplift (docs/JUDGING.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/records.h"
#include "engine/contact/contact_settings.h"
#include "engine/contact/distance.h"
#include "engine/contact/feasibility.h"
#include "engine/contact/local_time.h"
#include "models/response_model.h"

namespace rapport {

inline constexpr uint32_t kNothing = ~0u;
inline constexpr uint32_t kNoPlaceArm = ~0u;
// Of one (content, channel, place) on the shortlist: the best hours of one choice are alike, and would crowd out
// others.
inline constexpr size_t kHoursPerChoiceMax = 6;

// One thing that could be said.
struct ContentChoice {
  ItemId item;
  uint32_t row = kNoContent;  // in the response model
  uint8_t kind = 0;           // in the response model
  float affinity = 0;
  double margin = 0;  // what a response is worth
  std::string topic;
  std::optional<Timestamp> published_at, expires_at;
};

struct DecisionArm {
  uint32_t content = kNothing;   // index into DecisionInput::contents; kNothing: no contact
  uint32_t channel = 0;          // index into settings.channels
  uint32_t place = kNoPlaceArm;  // index into settings.places
  Timestamp at;
  uint16_t hour = 0;  // of the week at `at`, on the customer's clock
  double probability = 0, unsubscribe = 0, cost = 0, margin = 0, value = 0, propensity = 0;
  double limits_price = 0;  // money that what it takes of shared limits is worth elsewhere; of a batch
};

// Arms that a rule took away, together.
struct RemovedArms {
  ContactRefusal refusal = ContactRefusal::kNone;
  uint32_t channel = 0;
  uint64_t arms = 0;
};

// What a response to this content is worth: its own margin, else the shop's; never below 0, since selling at a loss is
// no reason to hope for silence.
double MarginOf(const Item& item, const ContactLimits& limits);
// What the content model thinks of the content at `place` of `count`, best first: 1 down to -1, comparable between
// decisions with as many candidates.
float AffinityOf(size_t place, size_t count);
// The attribute "topic", whose consent a contact needs; empty: none.
std::string TopicOf(const Item& item);

// References must outlive the call.
struct DecisionInput {
  const ContactSettings& settings;
  const ContactCustomer& customer;
  const LocalTime& local;  // from kCalendarMs before `from` to the end of the window
  std::string purpose = "marketing";
  std::vector<ContentChoice> contents;
  std::vector<uint32_t> channels;  // that may be used; ascending
  std::vector<int> model_channel,
      model_place;  // by settings index: in the response model; -1: it knows none of that name
  std::vector<const LocalTime*> place_times;  // by place
  Timestamp from, until;
  const ResponseModel& model;
  const CustomerResponse& response;
  float recent_sends = 0;        // as of `from`
  std::optional<GeoPoint> near;  // where the customer is; not known: no place is too far
  // By channel, by hour from that of `from` on: 1: the capacity is used up. Lists may be empty: no capacity.
  std::vector<std::vector<uint8_t>> full_hours;
  std::vector<std::vector<uint8_t>> full_place_hours;  // likewise by place
  bool holdout = false;
  uint64_t seed = 0;
};

struct DecisionOutcome {
  DecisionArm chosen;                  // content kNothing: none
  std::vector<DecisionArm> shortlist;  // best first, nothing among them; what was drawn from
  std::vector<RemovedArms> removed;
  uint64_t feasible = 0;  // arms that no rule took away
};

DecisionOutcome Decide(const DecisionInput& input);

// Probabilities of the shortlist by its values, in place. REQUIRES at least one arm.
void SetPropensities(std::vector<DecisionArm>& shortlist, double temperature, double exploration);
// One of the shortlist, by its propensities.
DecisionArm DrawArm(std::span<const DecisionArm> shortlist, uint64_t seed);

}  // namespace rapport
