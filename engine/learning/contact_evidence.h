// What a shop would know of its customers in the simulated world: contacts and answers as trials of the response model,
// visits as activity, the occupation as a trait, and a stand-in for the content model's score of each content.
//
//   affinity(u, i) = <t_u, traits_i> / its deviation over customers and contents, t_u = sum of traits of what the
//   customer viewed / (views + 3), less the mean over customers: what a content model learns from views, noisy where
//   there are few
// Nothing here reads a true probability.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/learning/simulated_contacts.h"
#include "models/response_model.h"

namespace rapport {

struct KnownCustomer {
  std::vector<ResponseTrial> trials;     // ascending by time; ages at the end of the shop's days
  std::vector<uint16_t> activity_hours;  // visits within an hour of the last once, the customer's wall clock
  std::vector<float> activity_age_days;
  std::array<uint32_t, 1> traits{};  // the occupation
  std::vector<float> affinity;       // by content
  TasteVector taste{};               // t_u
  std::array<bool, kContactChannels> unsubscribed{};
  double recent_sends = 0;  // at the end
};

// What does not depend on the dial: one walk through the shop's visits.
struct KnownVisits {
  std::vector<std::vector<uint16_t>> hours;
  std::vector<std::vector<float>> age_days;
  std::vector<TasteVector> tastes;  // t_u
};

// `threads` 0: all cores; the same on any number.
KnownVisits ReadVisits(const SimulatedShop& shop, int threads);
// What is known at `time` of customers who were contacted as `histories` say: visits before it, ages as of it.
std::vector<KnownCustomer> KnownAt(const ContactWorld& world, const KnownVisits& visits,
                                   std::span<const ContactHistory> histories, Timestamp time, int threads);
// KnownAt the end, after SimulateContacts of everybody.
std::vector<KnownCustomer> ReadContacts(const ContactWorld& world, const SimulatedShop& shop, const KnownVisits& visits,
                                        int threads);
// A contact as a trial, its age as of `time`.
ResponseTrial TrialOf(const ContactWorld& world, const KnownCustomer& customer, const SimulatedContact& contact,
                      Timestamp time);

ResponseShape ShapeOf(const ContactWorld& world);
// Views into `known`.
CustomerEvidence EvidenceOf(const KnownCustomer& known);

}  // namespace rapport
