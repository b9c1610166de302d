// The response model from the store: learned from the log, gated, put in service, found again after a restart, rolled
// back; and a decision that uses what it learned.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "engine/engine.h"
#include "engine/learning/response_training.h"

namespace rapport {
namespace {

constexpr Timestamp kStart{1'767'571'200'000};  // 2026-01-05T00:00:00Z, a Monday
constexpr int kCustomers = 150, kContacts = 24;

CustomerRef User(int u) { return {CustomerNamespace::kUser, "u" + std::to_string(u)}; }
bool IsEarly(int u) { return u % 2 == 0; }

AppendEvent Tell(int u, EventType type, const std::string& contact, Timestamp time) {
  AppendEvent op;
  op.customer = User(u);
  op.event.type = type;
  op.event.message_id = contact + std::to_string(static_cast<int>(type));
  op.event.source = "test";
  op.event.order_id = contact;
  op.event.channel = "email";
  op.event.contact.purpose = "marketing";
  op.event.time = op.event.received_at = time;
  op.lines = {{"letter", 1, std::nullopt}};
  return op;
}

// Half of the customers answer in the morning, half in the evening; the others hardly ever.
void Fill(Store& store) {
  Random random(7);
  std::vector<Operation> operations;
  PutItem item;
  item.item.external_id = item.item.title = "letter";
  item.item.kind = "message";
  operations.push_back(item);
  for (int u = 0; u < kCustomers; ++u) {
    UpdateProfile profile;
    profile.customer = User(u);
    profile.time = kStart;
    profile.time_zone = "UTC";
    profile.traits = {{"email", std::string("x@example.org")}};
    operations.push_back(profile);
    operations.push_back(RecordConsent{User(u), {"email", "marketing", true, kStart, "form", ""}});
    for (int k = 0; k < kContacts; ++k) {
      const int hour = random.Below(2) == 0 ? 9 : 18;
      const Timestamp sent{kStart.ms + (k * 3 * 24 + hour) * kHourMs + static_cast<int64_t>(random.Below(3600)) * 1000};
      const std::string contact = std::to_string(u) + "-" + std::to_string(k);
      operations.push_back(Tell(u, EventType::kSent, contact, sent));
      const double probability = (hour == 9) == IsEarly(u) ? 0.6 : 0.04;
      if (random.Uniform() < probability) {
        operations.push_back(Tell(u, EventType::kLinkClicked, contact, {sent.ms + 20 * kMinuteMs}));
      }
    }
  }
  for (size_t at = 0; at < operations.size(); at += 4000) {
    const auto end = operations.begin() + static_cast<ptrdiff_t>(std::min(at + 4000, operations.size()));
    ASSERT_TRUE(store.ApplyAndWait({operations.begin() + static_cast<ptrdiff_t>(at), end}).ok());
  }
}

class ResponseTrainingTest : public ::testing::Test {
 protected:
  void Open() {
    engine_.reset();
    store_.reset();
    store_ = Store::Open(folder_.path() + "/store", StoreOptions{}).Take();
    engine_ = Engine::Open(*store_, EngineOptions{}).Take();
    ContactSettings settings;
    settings.limits.caps.clear();
    settings.limits.quiet.clear();
    settings.limits.temperature = 0;
    settings.limits.exploration = 1e-9;
    ASSERT_TRUE(engine_->UseContactSettings(settings).ok());
  }
  int HourOf(int u) {
    DecisionRequest request;
    request.customer = User(u);
    request.question.customer = request.customer;
    request.items = {"letter"};
    request.channels = {"email"};
    request.now = request.question.now = clock_.Now();
    const Result<PreparedDecision> prepared = engine_->Decide(request, {});
    EXPECT_TRUE(prepared.ok()) << prepared.status().ToString();
    prepared->settle();
    return prepared->decision.outcome.chosen.hour % 24;
  }

  TempFolder folder_;
  ManualClock clock_{Timestamp{kStart.ms + 90 * kDayMs}};
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(ResponseTrainingTest, NothingToLearnFromIsSaid) {
  Open();
  const Result<ResponseTrainReport> report = engine_->TrainResponses({}, clock_);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(report.status().message().find("Email Sent"), std::string::npos);
}

TEST_F(ResponseTrainingTest, LearnsWhenEachCustomerAnswersAndSurvivesARestart) {
  Open();
  Fill(*store_);
  ResponseTrainOptions options;
  options.response.threads = options.response.activity.threads = 1;
  const Result<ResponseTrainReport> report = engine_->TrainResponses(options, clock_);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_TRUE(report->accepted) << report->verdict;
  EXPECT_TRUE(report->activated);
  EXPECT_EQ(report->contacts, static_cast<uint64_t>(kCustomers * kContacts));
  EXPECT_LT(report->fit.loss_personal, report->fit.loss_global);
  const auto right = [&] {
    int count = 0;
    for (int u = 0; u < 20; ++u) count += (HourOf(u) < 14) == IsEarly(u) ? 1 : 0;
    return count;
  };
  EXPECT_GE(right(), 18);
  const uint64_t generation = report->generation;
  Open();
  EXPECT_TRUE(engine_->startup_note().empty()) << engine_->startup_note();
  EXPECT_EQ(engine_->responses()->generation, generation);
  EXPECT_EQ(engine_->models()->generation, 0u) << "a response model is no content model";
  EXPECT_GE(right(), 18);
  // Again, and back to the first one.
  clock_.Advance(1000);
  ASSERT_TRUE(engine_->TrainResponses(options, clock_).ok());
  EXPECT_GT(engine_->responses()->generation, generation);
  ASSERT_TRUE(engine_->Activate(generation).ok());
  EXPECT_EQ(engine_->responses()->generation, generation);
}

TEST_F(ResponseTrainingTest, ADamagedFileIsLeftOutAndSaid) {
  Open();
  Fill(*store_);
  ResponseTrainOptions options;
  options.response.threads = options.response.activity.threads = 1;
  const Result<ResponseTrainReport> report = engine_->TrainResponses(options, clock_);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  const std::string path = store_->models_folder() + "/" + report->file;
  const std::string bytes = *ReadFile(path, 1 << 28);
  ASSERT_TRUE(ReadResponseSet(path).ok());
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    std::string broken = bytes;
    broken[random.Below(broken.size())] ^= static_cast<char>(1u << random.Below(8));
    ASSERT_TRUE(WriteFileAtomically(path, broken, FileMode::kPublic).ok());
    EXPECT_FALSE(ReadResponseSet(path).ok()) << i;
  }
  ASSERT_TRUE(WriteFileAtomically(path, bytes.substr(0, bytes.size() / 2), FileMode::kPublic).ok());
  Open();
  EXPECT_NE(engine_->startup_note().find("response model"), std::string::npos);
  EXPECT_EQ(engine_->responses()->generation, 0u);
}

}  // namespace
}  // namespace rapport
