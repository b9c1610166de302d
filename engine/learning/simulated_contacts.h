// Contacts in the simulated shop, with known truth: what a customer answers to which content, at which hour, on which
// channel. A ruler for decisions about contacts, which no public data can judge, and data for demonstrations.
//
//   logit P(answer | u, i, h, c, t) = m + b_u + s x (sqrt(1 - dial) x separate + sqrt(dial) x interaction) - f_u x R
//   m = -2, s = 1.3: about one contact in seven is answered where arms are drawn at random
//   separate     = sqrt(.4) A(u, i) + sqrt(.3) H(u, h) + sqrt(.3) C(u, c)
//     A = sqrt(.5) appeal_i + sqrt(.5) <taste_u, traits_i>                  the shop's taste, R^8
//     H = sqrt(.5) curve_h + sqrt(.5) own_hours_u . phi(h)                  phi: 5 orthonormal functions of the hour
//     C = sqrt(.5) level_c + sqrt(.5) own_channels_u[c]
//   interaction  = sqrt(2/3) I(kind_i, part_h, c) + sqrt(1/3) sum_f situation_u[f] J_f(kind_i, part_h, c) / sqrt(3)
//     I, J_f: kind x part, kind x channel, part x channel and all three at once, a quarter of the variance each; every
//     table is centred over each of its axes, so that no choice of one thing alone can use it
//   P(unsubscribe | u, c, t) = sigmoid(-6.2 + .5 n_u + leave_c + .15 R)
//   R: sends so far, each halved every 3 days. h is an hour of the week on the customer's wall clock, inside the
//   sending window (7:00 to 21:59, every day: 105 hours); a part is one of four spans of a weekday or of the weekend.
//   b_u ~ N(0, .5^2); f_u lognormal around .1; own_hours_u goes with the rhythm of the customer's sessions (.8), own
//   channels and situation with the occupation (a trait, 30 % of their variance). Life events (.2 a year) leave half of
//   own hours, channels and situation and draw the rest anew.
// Over arms and customers, separate and interaction have variance 1 each: the dial is the interaction's share of what
// an arm can change. At dial 0 the best content, hour and channel are best together (the sigmoid is monotone).
//
// Everything is pure and seeded, and one customer does not depend on how many others there are (but where a model that
// learned from the others chooses: kModel). The parameters were
// fixed before any model was judged on them; they are not for tuning.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "engine/learning/simulated_shop.h"

namespace rapport {

inline constexpr size_t kContactKinds = 6, kContactChannels = 4, kPartsOfWeek = 8;
inline constexpr size_t kHourFunctions = 5, kSituationFactors = 3, kOccupations = 4;
extern const char* const kContactKindNames[kContactKinds];        // "product", "service", ...
extern const char* const kContactChannelNames[kContactChannels];  // "email", "sms", "push", "message"
extern const char* const kOccupationNames[kOccupations];          // the trait "occupation"

// How the shop chose what it sent.
enum class ContactPolicy : uint8_t {
  kUniform,  // content, hour and channel each uniform over what is allowed
  kHabit,    // each with 80 % the shop's habit (best content on average, Tuesday 10:00, e-mail), else uniform
  kModel,    // by the response model learned from what was sent before, in rounds (contact_logging.h)
};

// How the response model spends contacts (kModel).
struct ModelSpending {
  size_t uniform_weeks = 3;                   // first, of uniform draws
  size_t rounds = 5;                          // fits, each of which spends its share of the other weeks
  double temperature = 1, exploration = 0.1;  // of the draw (engine/contact/decider.h), money and share
};

struct SimulatedContactOptions {
  double dial = 0.5;                    // 0..1
  size_t contents = 12;                 // kinds in turn
  std::vector<size_t> contacts = {20};  // customer u is sent contacts[u mod size], spread over the shop's days
  ContactPolicy policy = ContactPolicy::kUniform;
  ModelSpending spending;  // of kModel
  // What an answer is worth, and what a send costs: one currency.
  double margin = 6, lifetime_value = 25;
  std::array<double, kContactChannels> send_cost{0.01, 0.06, 0.004, 0.03};
};

struct ContactArm {
  uint16_t content = 0, hour = 0;  // row of contents; hour of the week, inside the window
  uint8_t channel = 0;
};

// A customer's own part of the logit is linear in one vector: level, taste, own hours, own channels, situation.
inline constexpr size_t kTasteAt = 1, kHoursAt = kTasteAt + kTasteFactors, kChannelsAt = kHoursAt + kHourFunctions,
                        kSituationAt = kChannelsAt + kContactChannels,
                        kPersonFactors = kSituationAt + kSituationFactors;
using PersonVector = std::array<double, kPersonFactors>;

struct ContactPerson {
  PersonVector before{}, after{};  // the life event, where there is one; else both are the same
  std::optional<Timestamp> life_event;
  size_t occupation = 0;
  double fatigue = 0, irritability = 0;
  const PersonVector& At(Timestamp time) const { return life_event && time >= *life_event ? after : before; }
};

using InteractionTable = std::array<double, kContactKinds * kPartsOfWeek * kContactChannels>;

struct SimulatedContent {
  SimulatedItem item;
  size_t kind = 0;
  double appeal = 0;  // standardised over the contents
};

// Immutable once made.
struct ContactWorld {
  SimulatedContactOptions options;
  uint64_t seed = 1;
  Timestamp start, end;
  std::vector<SimulatedContent> contents;
  std::array<double, kHoursOfWeek> hour_curve{};
  std::array<std::array<double, kHourFunctions>, kHoursOfWeek> hour_functions{};
  std::array<double, kContactChannels> channel_level{}, channel_leave{};
  InteractionTable population{};
  std::array<InteractionTable, kSituationFactors> situations{};
  // Means by occupation (of channels and situation), and of the projected rhythm: mean and deviation over customers.
  std::array<std::array<double, kContactChannels>, kOccupations> occupation_channels{};
  std::array<std::array<double, kSituationFactors>, kOccupations> occupation_situation{};
  std::array<double, kHourFunctions> rhythm_mean{}, rhythm_deviation{};
  std::vector<ContactPerson> people;  // by the shop's customers
};

// Gives `shop` what contacts need as well: customers get their country's time zone and the trait "occupation"; their
// sessions then follow their own wall clock. kInvalidArgument says what to change: dial outside 0..1, less than 7 days,
// no contents, more than 1000 of them or than 100 contacts a day.
Result<ContactWorld> MakeContactWorld(const SimulatedContactOptions& options, SimulatedShop* shop);

// One contact and what came of it. Times that are not set: it did not happen.
struct SimulatedContact {
  std::string id;  // unique in the shop
  Timestamp time;
  ContactArm arm;
  double propensity = 1;     // of the arm under the policy, given the channels that were left
  double recent_sends = 0;   // R before this one
  double true_response = 0;  // the truth: never for the store
  double true_unsubscribe = 0;
  std::optional<Timestamp> opened, answered, unsubscribed;  // answered: the link, or the reply; never without opened
};

struct ContactHistory {
  std::vector<SimulatedContact> contacts;  // ascending by time
  std::array<bool, kContactChannels> unsubscribed{};
  double recent_sends = 0;  // at the end of the shop's days; while contacts go on, right after the last one
};

// REQUIRES a policy that needs no model; for all of them: contact_logging.h.
ContactHistory SimulateContacts(const ContactWorld& world, const SimulatedShop& shop, size_t customer);

// ---- contacts that somebody else chooses --------------------------------------------------------------------------

// The contacts of one customer that are due in [from, until), a week on the customer's wall clock; all of them are
// chosen at `from`.
struct ContactQuestion {
  size_t customer = 0;
  Timestamp from, until;
  std::array<bool, kContactChannels> unsubscribed{};
  double recent_sends = 0;      // R at `from`
  std::vector<uint64_t> seeds;  // of the draws: as many as there are contacts
};
struct ContactChoice {
  ContactArm arm;
  Timestamp at;  // in the arm's hour, in [from, until)
  double propensity = 1;
};
// At most one for each seed; fewer where nothing is to be sent. `before`: what was sent so far.
using ContactChooser = std::function<std::vector<ContactChoice>(const ContactQuestion&, const ContactHistory& before)>;

// Weeks in which contacts fall; week w begins a day and w weeks after the shop's start.
size_t ContactWeeks(const SimulatedShop& shop);
Timestamp ContactWeekStart(const ContactWorld& world, size_t week);  // UTC
// The contacts that the plan has for [first_week, end_week), answered by the world, added to `history`. As many as
// kUniform sends in these weeks; without a chooser they are kUniform's own, where `history` is empty. One chosen for a
// channel that was left meanwhile is not sent.
void ContinueContacts(const ContactWorld& world, const SimulatedShop& shop, size_t customer, size_t first_week,
                      size_t end_week, const ContactChooser& chooser, ContactHistory* history);

// ---- the truth ----------------------------------------------------------------------------------------------------

inline constexpr double kRecentHalfLifeDays = 3;

bool InSendingWindow(size_t hour_of_week);
size_t PartOfWeek(size_t hour_of_week);  // 0..7; REQUIRES InSendingWindow
inline size_t InteractionCell(size_t kind, size_t part, size_t channel) {
  return (kind * kPartsOfWeek + part) * kContactChannels + channel;
}
// logit = PopulationLogit(arm) + vector . PersonFeatures(arm) - fatigue x R.
double PopulationLogit(const ContactWorld& world, const ContactArm& arm);
PersonVector PersonFeatures(const ContactWorld& world, const ContactArm& arm);
double TrueResponse(const ContactWorld& world, const ContactPerson& person, const ContactArm& arm, double recent_sends,
                    Timestamp time);
double TrueUnsubscribe(const ContactWorld& world, const ContactPerson& person, size_t channel, double recent_sends);
// The same for all arms at once: logits[(content x 168 + hour) x channels + channel]; -infinity outside the window.
std::vector<double> ArmLogits(const ContactWorld& world, const PersonVector& person, double fatigue_logit);
// What the prior says of a customer: mean (from rhythm and occupation) and standard deviations of the vector.
void PersonPrior(const ContactWorld& world, const SimulatedCustomer& customer, size_t occupation, PersonVector* mean,
                 PersonVector* deviation);

}  // namespace rapport
