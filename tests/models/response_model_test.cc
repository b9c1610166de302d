#include "models/response_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/crypto.h"
#include "tests/models/planted_contacts.h"

namespace rapport {
namespace {

ResponseOptions Options(int threads = 2) {
  ResponseOptions options;
  options.threads = threads;
  options.rounds = 3;
  options.activity.epochs = 10;
  return options;
}

ResponseModel Fit(const PlantedContacts& world, int threads = 2) {
  Result<ResponseModel> model = FitResponse(world.shape, world.evidence, Options(threads));
  EXPECT_TRUE(model.ok()) << model.status().ToString();
  return model.ok() ? model.Take() : ResponseModel{};
}

const ResponseModel& Planted() {
  static const ResponseModel model = Fit(PlantContacts({}));
  return model;
}

const PlantedContacts& World() {
  static const PlantedContacts world = PlantContacts({});
  return world;
}

ResponseArm ArmAt(uint16_t hour, uint8_t channel) {
  ResponseArm arm;
  arm.content = 2;
  arm.kind = 1;
  arm.hour = hour;
  arm.channel = channel;
  arm.place = 1;
  arm.affinity = 0.3f;
  arm.recent_sends = 1.5f;
  return arm;
}

TEST(ResponseModelTest, NothingKnownIsTheGlobalCurveBitForBit) {
  const ResponseModel& model = Planted();
  ASSERT_TRUE(model.traits.empty()) << "traits of this world say nothing, so they must not pass the gate";
  const std::vector<uint32_t> traits = {0, 1};
  for (const CustomerEvidence& nothing : {CustomerEvidence{}, CustomerEvidence{.traits = traits}}) {
    const CustomerResponse customer = model.FoldIn(nothing);
    EXPECT_TRUE(customer.own_hour.empty() && customer.own_channel.empty() && customer.own_kind.empty());
    ResponseTable table, everybody;
    model.FillTable(customer, table);
    model.FillTable(CustomerResponse{}, everybody);
    EXPECT_EQ(std::memcmp(table.hour_channel.data(), everybody.hour_channel.data(), 4 * everybody.hour_channel.size()),
              0);
    EXPECT_EQ(std::memcmp(table.kind_hour.data(), everybody.kind_hour.data(), 4 * everybody.kind_hour.size()), 0);
    for (uint16_t h = 0; h < 168; ++h) {
      const ResponseArm arm = ArmAt(h, h % 3);
      EXPECT_EQ(model.Logit(customer, arm), model.GlobalLogit(arm));
    }
    EXPECT_EQ(model.ActivityCurve(customer).data(), model.activity.shared.data());
  }
  // The broken twin: a single trial is something known.
  ResponseTrial one = World().trials[0][0];
  one.age_days = 0;
  const CustomerResponse known = model.FoldIn({.trials = {&one, 1}});
  EXPECT_NE(model.Logit(known, ArmAt(5, 0)), model.GlobalLogit(ArmAt(5, 0)));
}

TEST(ResponseModelTest, PersonalPartGainsOnWhatWasHeldBack) {
  const ResponseReport& report = Planted().report;
  EXPECT_GT(report.gain_lower, 0.02);
  EXPECT_LT(report.loss_personal, report.loss_global);
  EXPECT_GT(Planted().activity_weight, 0);
  EXPECT_GT(Planted().damping[3], 0.5);
}

TEST(ResponseModelTest, NothingPersonalIsDampedToNearlyNothing) {
  PlantedOptions options;
  options.personal = 0;
  const ResponseModel model = Fit(PlantContacts(options));
  EXPECT_LT(model.report.loss_personal - model.report.loss_global, 0.002);
  EXPECT_LT(std::abs(model.report.gain_lower), 0.004);
}

TEST(ResponseModelTest, FindsAHeldCustomersHourAndChannel) {
  const PlantedContacts& world = World();
  double right = 0;
  for (size_t u = 0; u < 100; ++u) {
    const CustomerResponse customer = Planted().FoldIn(world.evidence[u]);
    size_t best = 0;
    for (size_t h = 0; h < 24; ++h) {
      if (customer.own_hour[h] > customer.own_hour[best]) best = h;
    }
    right += DayCurve(static_cast<double>(best), world.favourite_hour[u]) > 0.5 ? 1 : 0;  // within four hours
  }
  EXPECT_GT(right, 75);
}

TEST(ResponseModelTest, TheTableAddsUpToTheLogit) {
  const ResponseModel& model = Planted();
  const CustomerResponse customer = model.FoldIn(World().evidence[3]);
  ResponseTable table;
  model.FillTable(customer, table);
  for (uint16_t h = 0; h < 168; ++h) {
    const ResponseArm arm = ArmAt(h, h % 3);
    const double sum = table.hour_channel[arm.channel * 168 + h] + table.kind_hour[arm.kind * 168 + h] +
                       model.ContentChannel(arm.content, arm.kind, arm.channel) + table.place[arm.place] +
                       model.affinity * arm.affinity + model.Fatigue(arm.channel, arm.recent_sends);
    EXPECT_NEAR(sum, model.Logit(customer, arm), 1e-5);
  }
}

// The broken twin is the model without the term: kind x hour and channel x hour cannot say it.
TEST(ResponseModelTest, KindChannelAndHourTogetherAreLearnedWhereTheyPassTheirGate) {
  PlantedOptions options;
  options.together = 1.2;
  const PlantedContacts world = PlantContacts(options);
  const ResponseModel model = Fit(world);
  ASSERT_EQ(model.kind_channel_hour.size(), 3u * 2 * 168);
  EXPECT_GT(model.report.three_way_gain_lower, 0);
  const auto swing = [&](auto logit) { return logit(0, 0) - logit(1, 0) - logit(0, 1) + logit(1, 1); };
  const auto at_noon = [&](const ResponseModel& of) {
    return swing([&](uint8_t channel, uint8_t kind) {
      ResponseArm noon{.hour = 36, .channel = channel, .kind = kind},
          night{.hour = 24, .channel = channel, .kind = kind};
      return of.GlobalLogit(noon) - of.GlobalLogit(night);
    });
  };
  ResponseModel twin = model;
  twin.kind_channel_hour.clear();
  EXPECT_GT(at_noon(model), 4);  // 9.6 in truth
  EXPECT_LT(std::abs(at_noon(twin)), 1e-4);
  const CustomerResponse customer = model.FoldIn(world.evidence[3]);
  ResponseTable table;
  model.FillTable(customer, table);
  for (uint16_t h = 0; h < 168; ++h) {
    const ResponseArm arm = ArmAt(h, h % 3);
    const double sum = table.hour_channel[arm.channel * 168 + h] + table.kind_hour[arm.kind * 168 + h] +
                       table.together[model.TogetherAt(arm.channel, arm.kind, h)] +
                       model.ContentChannel(arm.content, arm.kind, arm.channel) + table.place[arm.place] +
                       model.affinity * arm.affinity + model.Fatigue(arm.channel, arm.recent_sends);
    EXPECT_NEAR(sum, model.Logit(customer, arm), 1e-5);
  }
  // Nothing of the kind in the other world: no such part, and the report says that it was tried.
  EXPECT_TRUE(Planted().kind_channel_hour.empty());
  EXPECT_LT(Planted().report.three_way_gain_lower, 0);
}

// Nothing of it is everybody's: only who knows the trait can say it. The broken twin has forgotten V.
TEST(ResponseModelTest, WhatActsTogetherForSomeTraitsIsLearnedAndKept) {
  PlantedOptions options;
  options.trait_together = 1.2;
  const PlantedContacts world = PlantContacts(options);
  const ResponseModel model = Fit(world);
  EXPECT_TRUE(model.kind_channel_hour.empty());
  EXPECT_GT(model.report.together_gain_lower, 0);
  ASSERT_GE(model.factor_count(), 1u);
  EXPECT_LE(model.factor_count(), kTogetherFactors);
  const std::vector<uint32_t> yes = {0}, no = {1}, unheard = {7};
  const auto swing = [&](const ResponseModel& of, std::span<const uint32_t> traits) {
    const CustomerResponse customer = of.FoldIn({.traits = traits});
    const auto noon = [&](uint8_t channel, uint8_t kind) {
      const ResponseArm day{.hour = 36, .channel = channel, .kind = kind},
          night{.hour = 24, .channel = channel, .kind = kind};
      return of.Logit(customer, day) - of.Logit(customer, night);
    };
    return noon(0, 0) - noon(1, 0) - noon(0, 1) + noon(1, 1);
  };
  EXPECT_GT(swing(model, yes), 3);  // 9.6 in truth, and -9.6
  EXPECT_LT(swing(model, no), -3);
  EXPECT_NEAR(swing(model, unheard), 0, 1e-4);
  ResponseModel twin = model;
  twin.factors.clear(), twin.trait_factors.clear();
  EXPECT_NEAR(swing(twin, yes), 0, 1e-4);
  // All arms of a customer, the file, and whoever says nothing of himself: bit for bit everybody's.
  const Result<ResponseModel> read = ParseResponseModel(SerializeResponseModel(model), "test");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  const CustomerResponse customer = read->FoldIn(world.evidence[3]);
  EXPECT_FALSE(customer.together.empty());
  ResponseTable table;
  read->FillTable(customer, table);
  for (uint16_t h = 0; h < 168; ++h) {
    const ResponseArm arm = ArmAt(h, h % 3);
    const double sum = table.hour_channel[arm.channel * 168 + h] + table.kind_hour[arm.kind * 168 + h] +
                       table.together[model.TogetherAt(arm.channel, arm.kind, h)] +
                       model.ContentChannel(arm.content, arm.kind, arm.channel) + table.place[arm.place] +
                       model.affinity * arm.affinity + model.Fatigue(arm.channel, arm.recent_sends);
    EXPECT_NEAR(sum, model.Logit(model.FoldIn(world.evidence[3]), arm), 1e-5);
    EXPECT_EQ(model.Logit(model.FoldIn({}), arm), model.GlobalLogit(arm));
  }
  EXPECT_EQ(Planted().factor_count(), 0u);
  ResponseModel broken = model;
  broken.trait_factors.pop_back();
  EXPECT_FALSE(CheckResponseModel(broken).ok());
}

// How much a customer answers is believed by itself: it never brings an order of arms along that is not there.
TEST(ResponseModelTest, ALevelAloneBringsNoOrderOfArms) {
  PlantedOptions options;
  options.customers = 200;
  options.trials = 40;
  PlantedContacts world = PlantContacts(options);
  for (size_t u = 0; u < options.customers; ++u) {
    Random random = Random(99).Fork(u);
    const double level = 1.2 * random.Normal();
    for (ResponseTrial& trial : world.trials[u]) trial.responded = random.Uniform() < Sigmoid(level - 1);
    world.evidence[u].trials = world.trials[u];
  }
  const ResponseModel model = Fit(world);
  EXPECT_GT(model.level_damping[3], 0.7f);
  for (const float damping : model.damping) EXPECT_EQ(damping, 0);
  EXPECT_EQ(model.activity_weight, 0);
  const CustomerResponse customer = model.FoldIn(world.evidence[0]);
  EXPECT_NE(customer.level, 0);
  EXPECT_TRUE(customer.own_hour.empty() && customer.own_channel.empty() && customer.own_kind.empty());
}

TEST(ResponseModelTest, AContentNotLearnedFromGetsItsKind) {
  const ResponseModel& model = Planted();
  EXPECT_EQ(model.ContentChannel(kNoContent, 1, 2), model.kind_channel[1 * 3 + 2]);
  EXPECT_EQ(model.ContentChannel(77, 0, 1), model.kind_channel[1]);
}

TEST(ResponseModelTest, CurvesAreSmoothOverTheEndOfTheWeek) {
  const ResponseModel& model = Planted();
  const CustomerResponse customer = model.FoldIn(World().evidence[5]);
  float widest = 0;
  for (size_t h = 0; h + 1 < 168; ++h)
    widest = std::max(widest, std::abs(customer.own_hour[h + 1] - customer.own_hour[h]));
  EXPECT_LE(std::abs(customer.own_hour[167] - customer.own_hour[0]), widest);
  widest = 0;
  for (size_t h = 0; h + 1 < 168; ++h)
    widest = std::max(widest, std::abs(model.channel_hour[h + 1] - model.channel_hour[h]));
  EXPECT_LE(std::abs(model.channel_hour[167] - model.channel_hour[0]), widest);
}

TEST(ResponseModelTest, TraitsPassWhereTheySayWhoAnswers) {
  PlantedOptions options;
  options.trait = 0.8;
  const PlantedContacts world = PlantContacts(options);
  const ResponseModel model = Fit(world);
  ASSERT_FALSE(model.traits.empty());
  EXPECT_GT(model.report.trait_gain_lower, 0);
  const std::vector<uint32_t> yes = {0}, no = {1};
  EXPECT_GT(model.FoldIn({.traits = yes}).level, model.FoldIn({.traits = no}).level);
}

TEST(ResponseModelTest, UnsubscribingRisesWithRecentSends) {
  const ResponseModel& model = Planted();
  EXPECT_GT(model.UnsubscribeProbability(0, 3), model.UnsubscribeProbability(0, 0));
  EXPECT_NEAR(model.UnsubscribeProbability(1, 1.5), 0.025, 0.01);
}

TEST(ResponseModelTest, SameBitsOnEveryThreadCount) {
  PlantedOptions options;
  options.customers = 120;
  const PlantedContacts world = PlantContacts(options);
  EXPECT_EQ(SerializeResponseModel(Fit(world, 1)), SerializeResponseModel(Fit(world, 3)));
}

TEST(ResponseModelTest, FileKeepsEveryBitAndRefusesDamage) {
  const ResponseModel& model = Planted();
  const std::string file = SerializeResponseModel(model);
  const Result<ResponseModel> read = ParseResponseModel(file, "test");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(SerializeResponseModel(*read), file);
  const CustomerEvidence& one = World().evidence[9];
  EXPECT_EQ(read->Logit(read->FoldIn(one), ArmAt(30, 1)), model.Logit(model.FoldIn(one), ArmAt(30, 1)));
  for (size_t at = 0; at < file.size(); at += file.size() / 97) {
    std::string damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    EXPECT_FALSE(ParseResponseModel(damaged, "test").ok()) << at;
    EXPECT_FALSE(ParseResponseModel(file.substr(0, at), "test").ok()) << at;
  }
}

// Files of versions 1 and 2: without the last six and three parts. Version 1 had one damping for all that is the
// customer's own.
TEST(ResponseModelTest, OlderFilesAreStillRead) {
  const ResponseModel& model = Planted();
  ASSERT_TRUE(model.kind_channel_hour.empty() && model.factors.empty());
  const auto older = [&](uint32_t version, uint32_t without, size_t bytes) {
    std::string file = SerializeResponseModel(model);
    file.resize(file.size() - 32 - bytes);
    const auto patch = [&file](size_t at, auto value) { std::memcpy(file.data() + at, &value, sizeof(value)); };
    uint32_t parts = 0;
    std::memcpy(&parts, file.data() + 12, 4);
    patch(8, version);
    patch(12, parts - without);
    patch(16, uint64_t{file.size() + 32});
    const Digest256 digest = Sha256(file);
    file.append(reinterpret_cast<const char*>(digest.data()), digest.size());
    return ParseResponseModel(file, "old");
  };
  const size_t third = 8 + 8 + (8 + 8), second = 8 + (8 + 24) + (8 + 8);  // lengths and bytes of the parts
  const Result<ResponseModel> two = older(2, 3, third), one = older(1, 6, third + second);
  ASSERT_TRUE(two.ok()) << two.status().ToString();
  ASSERT_TRUE(one.ok()) << one.status().ToString();
  EXPECT_EQ(SerializeResponseModel(*two).size(), SerializeResponseModel(model).size());
  EXPECT_EQ(two->level_damping, model.level_damping);
  EXPECT_EQ(one->level_damping, one->damping);
  EXPECT_EQ(one->damping, model.damping);
  EXPECT_EQ(one->GlobalLogit(ArmAt(3, 1)), model.GlobalLogit(ArmAt(3, 1)));
  EXPECT_EQ(older(4, 0, 0).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(older(2, 6, third + second).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(older(0, 6, third + second).status().code(), StatusCode::kDataLoss);
}

TEST(ResponseModelTest, FileRefusesWhatIsNotFiniteOrDoesNotFit) {
  const auto refused = [](const auto& breaks) {
    ResponseModel model = Planted();
    breaks(model);
    return !CheckResponseModel(model).ok() && !ParseResponseModel(SerializeResponseModel(model), "test").ok();
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(refused([&](ResponseModel& m) { m.level = nan; }));
  EXPECT_TRUE(refused([&](ResponseModel& m) { m.channel_hour[7] = nan; }));
  EXPECT_TRUE(refused([&](ResponseModel& m) { m.activity.type_curve[3] = 0; }));
  EXPECT_TRUE(refused([&](ResponseModel& m) { m.activity.weights[2][0] += 0.5; }));
  EXPECT_TRUE(refused([&](ResponseModel& m) { m.kind_hour.pop_back(); }));
  EXPECT_TRUE(refused([&](ResponseModel& m) { m.kind_channel_hour.resize(7); }));
  EXPECT_TRUE(refused([&](ResponseModel& m) { m.shape.content_kind[0] = 9; }));
  EXPECT_TRUE(refused([&](ResponseModel& m) { m.prior_precision[0] = -1; }));
  EXPECT_FALSE(refused([&](ResponseModel&) {}));
}

TEST(ResponseModelTest, RefusesEvidenceOutsideTheShape) {
  PlantedContacts world = PlantContacts({.customers = 5});
  const auto refuses = [&world](auto change) {
    std::vector<ResponseTrial> trials = world.trials[2];
    change(trials[1]);
    std::vector<CustomerEvidence> evidence = world.evidence;
    evidence[2].trials = trials;
    const Result<ResponseModel> model = FitResponse(world.shape, evidence, Options());
    return model.status().code() == StatusCode::kInvalidArgument &&
           model.status().message().find("customer 2") != std::string::npos;
  };
  EXPECT_TRUE(refuses([](ResponseTrial& t) { t.hour = 168; }));
  EXPECT_TRUE(refuses([](ResponseTrial& t) { t.channel = 3; }));
  EXPECT_TRUE(refuses([](ResponseTrial& t) { t.content = 2, t.kind = 0; }));
  EXPECT_TRUE(refuses([](ResponseTrial& t) { t.affinity = std::numeric_limits<float>::infinity(); }));
  EXPECT_EQ(FitResponse(world.shape, std::vector<CustomerEvidence>(3), Options()).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST(ResponseModelTest, AHandfulOfTrialsIsEnoughToFit) {
  const PlantedContacts world = PlantContacts({.customers = 2, .trials = 3, .marks = 1});
  const ResponseModel model = Fit(world);
  EXPECT_TRUE(CheckResponseModel(model).ok());
  for (const float damping : model.damping) EXPECT_EQ(damping, 0);
}

}  // namespace
}  // namespace rapport
