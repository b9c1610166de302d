// What the response model believes of customers with more trials than anybody had before the held-back ones.
#include <gtest/gtest.h>

#include "models/response_model.h"
#include "tests/models/planted_contacts.h"

namespace rapport {
namespace {

ResponseModel Fit(const PlantedContacts& world) {
  ResponseOptions options;
  options.threads = 2;
  options.rounds = 3;
  options.activity.epochs = 10;
  Result<ResponseModel> model = FitResponse(world.shape, world.evidence, options);
  EXPECT_TRUE(model.ok()) << model.status().ToString();
  return model.ok() ? model.Take() : ResponseModel{};
}

// 96 trials each, of which a fifth is held back: nobody has 80 before the cut, and everybody has them afterwards. The
// broken twin believed nothing of the one stratum that is served: with 96 contacts everybody was given the global
// curve.
TEST(ResponseStrataTest, AStratumThatNobodyReachedBeforeTheCutIsBelievedLikeTheOneBelow) {
  PlantedOptions options;
  options.customers = 120;
  options.trials = 96;
  const PlantedContacts world = PlantContacts(options);
  const ResponseModel model = Fit(world);
  ASSERT_EQ(model.report.stratum_trials[4], 0u);
  EXPECT_GT(model.damping[3], 0.5f);
  EXPECT_EQ(model.damping[4], model.damping[3]);
  const CustomerResponse customer = model.FoldIn(world.evidence[0]);
  EXPECT_EQ(customer.stratum, 4);
  EXPECT_FALSE(customer.own_channel.empty());
}

// Nothing is anybody's own: no stratum is believed, the unreached one neither.
TEST(ResponseStrataTest, WhereNothingIsPersonalNothingIsBelieved) {
  PlantedOptions options;
  options.customers = 120;
  options.trials = 96;
  options.personal = 0;
  const ResponseModel model = Fit(PlantContacts(options));
  EXPECT_EQ(model.damping[4], model.damping[3]);
  EXPECT_LT(model.damping[3], 0.7f);
}

}  // namespace
}  // namespace rapport
