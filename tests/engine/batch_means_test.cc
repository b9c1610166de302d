// What a batch's contacts take of agents and of stock: never more than there is, whatever is cut off or decided beside.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "base/random.h"
#include "engine/contact/capacity.h"
#include "tests/engine/batch_keeper_fixture.h"

namespace rapport {
namespace {

// Agents' minutes in each hour and the stock of each content, over random teams and stocks: with cuts and reruns, and
// with single decisions at the same time.
class SharedMeansTest : public BatchKeeperTest {
 protected:
  struct Means {
    double minutes_per_hour = 0, of_email = 0, of_sms = 0;
    uint64_t tea = 0, pot = 0;  // given; the catalogue's
  };
  void Use(const Means& means) {
    PutItem pot;
    pot.item.external_id = pot.item.title = "pot";
    pot.item.stock = static_cast<int64_t>(means.pot);
    ASSERT_TRUE(store_->ApplyAndWait({pot}).ok());
    settings_.limits.quiet = {{.from_minute = 9 * 60, .until_minute = 8 * 60}};  // an hour a day
    settings_.limits.agents = {{"desk", means.minutes_per_hour, {{"email", means.of_email}, {"sms", means.of_sms}}}};
    settings_.limits.stock = {true, {{"tea", means.tea}}};
    const Status used = engine_->UseContactSettings(settings_);
    ASSERT_TRUE(used.ok()) << used.ToString();
  }
  // What the planned contacts of one week take beyond the means; empty: nothing. `batches`: not of single decisions.
  std::string Excess(const Means& means, Timestamp from, const std::set<std::string>& singles) const {
    std::map<int64_t, double> minutes;
    std::map<uint64_t, uint64_t> sends;
    for (const auto& [customer, entries] : Planned()) {
      for (const ContactEntry& entry : entries) {
        if (*entry.facts.at < from || entry.facts.at->ms >= from.ms + 7 * kDayMs) continue;
        minutes[HourNumber(*entry.facts.at)] += entry.channel == "email" ? means.of_email : means.of_sms;
        if (!singles.contains(entry.contact_id)) ++sends[entry.item.value];
      }
    }
    for (const auto& [hour, used] : minutes) {
      if (used > means.minutes_per_hour + 1e-6) return "agents' minutes: " + std::to_string(used);
    }
    const auto stock = [&](const char* id) { return sends[store_->catalog()->Find(id)->id.value]; };
    if (stock("tea") > means.tea) return "tea: " + std::to_string(stock("tea"));
    if (stock("pot") > means.pot) return "pot: " + std::to_string(stock("pot"));
    return "";
  }
  static Means RandomMeans(Random& random) {
    Means means;
    means.of_email = 0.5 + 0.25 * static_cast<double>(random.Below(6));
    means.of_sms = 1 + 0.75 * static_cast<double>(random.Below(4));
    means.minutes_per_hour = 4 + static_cast<double>(random.Below(60));
    means.tea = random.Below(60);
    means.pot = random.Below(80);
    return means;
  }
  // From the customers' other end, as long as the batch runs.
  void DecideSingles(Timestamp from, const std::atomic<bool>& done, std::set<std::string>* sent) {
    for (uint32_t u = kCustomers; u-- > 0 && !done;) {
      DecisionRequest request;
      request.customer = request.question.customer.emplace(Ref(u));
      request.items = {"tea", "pot"};
      request.question.count = 2;
      request.now = request.question.now = kNow;
      request.from = from;
      Result<PreparedDecision> prepared = engine_->Decide(request, {});
      ASSERT_TRUE(prepared.ok()) << prepared.status().ToString();
      if (prepared->decision.outcome.chosen.content != kNothing) sent->insert(prepared->decision.id);
      ASSERT_TRUE(store_->ApplyAndWait(std::move(prepared->operations)).ok());
      prepared->settle();
    }
  }
};

TEST_F(SharedMeansTest, AgentsMinutesAndStockAreNeverExceeded) {
  Random random(1);
  double minutes_price = 0, stock_price = 0;
  size_t singles_sent = 0;
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    const Means means = RandomMeans(random);
    Use(means);
    BatchRequest request = Question();
    request.from = Timestamp{kNow.ms + (1 + round) * 14 * kDayMs};  // a week of its own
    if (round % 4 == 3) request.options.exploration = 0.2;
    const std::string name = "round-" + std::to_string(round);
    if (round % 3 == 1) {  // cut somewhere, then again
      CutSink sink(*store_, static_cast<int>(random.Below(3)),
                   round % 2 == 0 ? CutSink::Cut::kAfter : CutSink::Cut::kBefore);
      BatchKeeping keeping = Keeping(name);
      keeping.sink = &sink;
      EXPECT_EQ(engine_->DecideBatch(request, keeping).status().code(), StatusCode::kUnavailable);
    }
    std::atomic<bool> done{false};
    std::set<std::string> singles;
    std::thread single;
    if (round % 3 == 2) single = std::thread([&] { DecideSingles(*request.from, done, &singles); });
    const Result<BatchRecord> kept = engine_->DecideBatch(request, Keeping(name));
    done = true;
    if (single.joinable()) single.join();
    ASSERT_TRUE(kept.ok()) << kept.status().ToString();
    EXPECT_EQ(Excess(means, *request.from, singles), "");
    uint64_t by_item = 0;
    for (const auto& [item, sends] : kept->sends_by_item) by_item += sends;
    EXPECT_EQ(by_item, kept->sends);
    singles_sent += singles.size();
    ASSERT_EQ(kept->limits.size(), 3u);
    EXPECT_EQ(kept->limits[0].name, "desk minutes per hour");
    EXPECT_EQ(kept->limits[1].name, "stock of tea");
    EXPECT_EQ(kept->limits[2].name, "stock of pot");
    EXPECT_LE(kept->limits[0].used, kept->limits[0].amount + 1e-6);
    minutes_price += kept->limits[0].price;
    stock_price += kept->limits[1].price + kept->limits[2].price;
  }
  EXPECT_GT(minutes_price, 0);
  EXPECT_GT(stock_price, 0);
  EXPECT_GT(singles_sent, 0u);
}

// Broken twins: one that has heard nothing of agents, and one that has heard nothing of stock.
TEST_F(SharedMeansTest, WithoutTheLimitsTheTwinsTakeMore) {
  const Means scarce_stock{.minutes_per_hour = 1000, .of_email = 1, .of_sms = 2, .tea = 10, .pot = 15};
  const Means scarce_time{.minutes_per_hour = 3, .of_email = 1, .of_sms = 2, .tea = 1000, .pot = 1000};
  const auto twin = [&](const std::string& name, int week, const Means& means,
                        const std::function<void(ContactLimits&)>& forget) {
    Use(means);
    ContactSettings deaf = settings_;
    forget(deaf.limits);
    BatchKeeping keeping = Keeping(name);
    keeping.settings = std::make_shared<const ContactSettings>(deaf);
    BatchRequest request = Question();
    request.from = Timestamp{kNow.ms + week * 14 * kDayMs};
    EXPECT_TRUE(engine_->DecideBatch(request, keeping).ok());
    return Excess(means, *request.from, {});
  };
  const auto forgets_stock = [](ContactLimits& limits) { limits.stock = {}; };
  const auto forgets_agents = [](ContactLimits& limits) { limits.agents.clear(); };
  EXPECT_EQ(twin("hears", 1, scarce_stock, [](ContactLimits&) {}), "");
  EXPECT_EQ(twin("hears-too", 2, scarce_time, [](ContactLimits&) {}), "");
  EXPECT_NE(twin("no-stock", 3, scarce_stock, forgets_stock), "");
  EXPECT_NE(twin("no-given-stock", 4, scarce_stock, [](ContactLimits& limits) { limits.stock.items.clear(); }), "");
  EXPECT_NE(twin("no-agents", 5, scarce_time, forgets_agents), "");
}

}  // namespace
}  // namespace rapport
