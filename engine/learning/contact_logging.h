// The contacts of a whole simulated world (simulated_contacts.h) under any policy; kModel spends them as a shop with
// Rapport would:
//   1  in the first weeks every arm is drawn uniformly
//   2  the response model learns from all that was sent and done so far (FitResponse)
//   3  for some weeks it chooses by Decide (engine/contact/decider.h): content, hour of the week and channel from all
//      arms, pi = (1 - e) softmax(value / temperature) + e / n over the shortlist, "nothing" on it; what the customer
//      did since the last fit is folded in each week. The world answers with its true probabilities
//   2 and 3 again, until the weeks are over
// The propensity that a contact keeps is the decision's own. It knows contacts from before the week and visits from
// before the fit; answers come within hours and are known with their contact, and the content model's score is the
// whole period's, as in every other log.
#pragma once

#include <vector>

#include "engine/learning/contact_evidence.h"

namespace rapport {

// By customer. Deterministic on any number of threads (0: all cores). kInvalidArgument for a spending that cannot be,
// else errors of the fit. Without a single contact to learn from the draws stay uniform.
Result<std::vector<ContactHistory>> LogContacts(const ContactWorld& world, const SimulatedShop& shop,
                                                const KnownVisits& visits, const ResponseOptions& response,
                                                int threads);

}  // namespace rapport
