// The configuration file: what it sets, and that nothing misspelt goes unsaid.
#include <gtest/gtest.h>

#include "server/config.h"

namespace rapport {
namespace {

TEST(ConfigTest, EmptyIsTheDefault) {
  const Result<Config> config = ParseConfig("{}");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->server.port, 8080);
  EXPECT_EQ(config->server.address, "127.0.0.1");
  EXPECT_EQ(config->engine.scenarios.size(), EngineOptions{}.scenarios.size());
  EXPECT_TRUE(ReadConfig("").ok());
}

TEST(ConfigTest, SetsWhatItNames) {
  const Result<Config> config = ParseConfig(R"({
    "server": {"listen": "[::1]:9000", "origins": ["https://shop.example"], "requestsInFlightMax": 7,
               "headerTimeoutMs": 1500, "trustedAddresses": []},
    "store": {"queuedOperationsMax": 100},
    "events": {"weights": {"viewed": 2, "ordered": 9.5}, "customWeights": {"Wish.List added": 4}, "halfLifeDays": 30},
    "recommend": {"staticItems": ["a", "b"],
                  "scenarios": [{"name": "home", "repeat": "exclude-owned", "count": 5},
                                {"name": "mine", "source": "bought-together", "filter": "price < 3", "diversity": 0.25,
                                 "exploration": {"slots": [4, 8], "epsilon": 0.1, "candidates": 16}}]}})");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->server.address, "::1");
  EXPECT_EQ(config->server.port, 9000);
  EXPECT_EQ(config->server.requests_in_flight_max, 7u);
  EXPECT_EQ(config->server.header_timeout_ms, 1500);
  EXPECT_TRUE(config->server.trusted_addresses.empty());
  EXPECT_EQ(config->store.queued_operations_max, 100u);
  EXPECT_EQ(config->engine.weights.by_type[static_cast<size_t>(EventType::kViewed)], 2);
  EXPECT_EQ(config->engine.weights.by_type[static_cast<size_t>(EventType::kOrdered)], 9.5);
  EXPECT_EQ(config->engine.weights.by_type[static_cast<size_t>(EventType::kAdded)],
            EventWeights::Defaults().by_type[static_cast<size_t>(EventType::kAdded)]);
  EXPECT_EQ(config->engine.weights.by_name.at("Wish.List added"), 4);
  const std::vector<Scenario>& scenarios = config->engine.scenarios;
  ASSERT_EQ(scenarios.size(), EngineOptions{}.scenarios.size() + 1);
  EXPECT_EQ(scenarios.front().name, "home");  // changed in place: the first one answers for unknown names
  EXPECT_EQ(scenarios.front().repeat, RepeatPolicy::kExcludeOwned);
  EXPECT_EQ(scenarios.back().source, CandidateSource::kBoughtTogether);
  EXPECT_EQ(scenarios.back().diversity, 0.25);
  EXPECT_EQ(scenarios.back().exploration.slots, (std::vector<size_t>{4, 8}));
  EXPECT_EQ(scenarios.back().exploration.epsilon, 0.1);
  EXPECT_EQ(scenarios.back().exploration.candidates, 16u);
  EXPECT_EQ(scenarios.back().exploration.new_items, 4u);
  EXPECT_TRUE(scenarios.front().exploration.slots.empty());
}

TEST(ConfigTest, RefusesWhatItDoesNotKnow) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"listenn": 1})", "listenn"},
      {R"({"server": {"listenn": 1}})", "server.'listenn'"},
      {R"({"server": []})", "server"},
      {R"({"server": {"listen": "nowhere"}})", "server.listen"},
      {R"({"server": {"threads": "many"}})", "server.threads"},
      {R"({"server": {"threads": -1}})", "server.threads"},
      {R"({"store": {"durability": "none"}})", "store.'durability'"},
      {R"({"events": {"weights": {"viewd": 2}}})", "events.weights.'viewd'"},
      {R"({"events": {"weights": {"custom": 2}}})", "events.weights.'custom'"},
      {R"({"events": {"customWeights": {"x": "y"}}})", "events.customWeights.x"},
      {R"({"recommend": {"scenarios": [{"count": 5}]}})", "recommend.scenarios[0].name"},
      {R"({"recommend": {"scenarios": [{"name": "a"}, {"name": "b", "source": "stars"}]}})",
       "recommend.scenarios[1].source"},
      {R"({"recommend": {"scenarios": [{"name": "a", "repeats": "allow"}]}})", "recommend.scenarios[0].'repeats'"},
      {R"({"recommend": {"scenarios": [{"name": "a", "diversity": 2}]}})", "recommend.scenarios[0].diversity"},
      {R"({"recommend": {"scenarios": [{"name": "a", "exploration": 7}]}})", "recommend.scenarios[0].exploration"},
      {R"({"recommend": {"scenarios": [{"name": "a", "exploration": {"slots": [0]}}]}})", "exploration.slots"},
      {R"({"recommend": {"scenarios": [{"name": "a", "exploration": {"slots": ["2"]}}]}})", "exploration.slots"},
      {R"({"recommend": {"scenarios": [{"name": "a", "exploration": {"slot": [2]}}]}})", "exploration.slots"},
      {R"({"recommend": {"scenarios": [{"name": "a", "exploration": {"slots": [2], "slot": 1}}]}})", "'slot'"},
      {R"({"recommend": {"scenarios": [{"name": "a", "exploration": {"slots": [2], "epsilon": 0}}]}})", "epsilon"},
      {R"({"recommend": {"scenarios": [{"name": "a", "exploration": {"slots": [2], "epsilon": 1.5}}]}})", "epsilon"},
      {R"({"recommend": {"scenarios": [{"name": "a", "exploration": {"slots": [2], "candidates": 65}}]}})",
       "exploration.candidates"},
      {R"({"recommend": {"scenarios": [{"name": "a", "exploration": {"slots": [2], "candidates": 4, "newItems": 4}}]}})",
       "exploration.newItems"},
      {"not json", "JSON"},
      {"", "empty"},
      {"[]", "object"},
  };
  for (const auto& [text, words] : cases) {
    const Result<Config> config = ParseConfig(text);
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_NE(config.status().message().find(words), std::string::npos) << text << ": " << config.status().message();
  }
}

TEST(ConfigTest, ReadsAddresses) {
  ServerOptions options;
  EXPECT_TRUE(ParseListen("0.0.0.0:0", &options).ok());
  EXPECT_EQ(options.address, "0.0.0.0");
  EXPECT_TRUE(ParseListen("localhost:1", &options).ok());
  EXPECT_EQ(options.address, "127.0.0.1");
  for (const char* bad : {"", "nowhere", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                          "127.0.0.1:-1", "shop.example:80"}) {
    EXPECT_FALSE(ParseListen(bad, &options).ok()) << bad;
  }
}

// Half of the machine is planned with; what the file says wins.
TEST(MemoryPlanTest, FollowsTheMachineAndTheFile) {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  const Result<Config> machine = ParseConfig("{}", 8 * kGiB);
  ASSERT_TRUE(machine.ok());
  EXPECT_EQ(machine->memory.bytes, 4 * kGiB);
  EXPECT_EQ(machine->store.block_cache_bytes, 2 * kGiB);
  const MemoryPlan& plan = machine->memory;
  EXPECT_LE(plan.block_cache_bytes + 10 * plan.write_buffer_bytes + plan.filter_cache_bytes +
                plan.history_cache_customers * 16384,
            plan.bytes);
  const Result<Config> told =
      ParseConfig(R"({"memoryBytes":1073741824,"store":{"blockCacheBytes":1048576}})", 8 * kGiB);
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->memory.bytes, kGiB);
  EXPECT_EQ(told->store.block_cache_bytes, 1u << 20);
  EXPECT_EQ(ParseConfig("{}")->store.block_cache_bytes, StoreOptions{}.block_cache_bytes);  // unknown machine
  EXPECT_FALSE(ParseConfig(R"({"memoryBytes":1})").ok());
  EXPECT_FALSE(ParseConfig(R"({"retention":{"eventsDays":0}})").ok());
  EXPECT_EQ(ParseConfig(R"({"retention":{"eventsDays":30}})")->retention.events_days, 30);
}

}  // namespace
}  // namespace rapport
