// A batch of decisions under shared limits: prices for the limits, customers drawn in turn, and what a marketer reads
// of it. The mathematics stands in models/dual_prices.h and models/plan_draw.h; here limits have names, money and
// hours.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/contact/plan_customers.h"
#include "models/plan_draw.h"

namespace rapport {

// One limit as people say it: "at most 500 in money on sms and message", "2,000 sends of email an hour".
struct BatchLimit {
  enum class Unit : uint8_t { kSends, kMoney, kMinutes };
  std::string name;
  double amount = 0;  // 0: none at all
  Unit unit = Unit::kSends;
  std::map<std::string, double> minutes;  // of agents that one send takes, by channel, for kMinutes; others take none
  std::vector<std::string> channels;      // empty: all of the plan
  std::vector<std::string> contents;      // external ids; empty: all
  bool per_hour = false;                  // the amount holds for each hour of the plan by itself; not with contents
  double taken = 0;                       // used up before the plan; not of an hourly one
  std::vector<double> hours_taken;        // likewise, by slot, of an hourly one; empty: nothing
};

// What the settings say: budgets, the channels' capacities per hour, agents' minutes per hour, stock of contents.
std::vector<BatchLimit> LimitsOfSettings(const PlanFrame& frame);

struct BatchOptions {
  uint64_t seed = 1;
  double temperature = 0, exploration = 0;  // of plan_draw.h; 0, 0: the best for each
  uint32_t shortlist = 64;
  int threads = 0;
};

// One line of a BatchLimit; of its hours together where it is per hour.
struct LimitReport {
  std::string name;
  double amount = 0, used = 0;           // in its unit: sends, money, minutes; of an hourly one: of all hours; what was
                                         // used up before the plan stands in neither
  double price = 0;                      // money that one more would earn at most (hourly: the mean over its hours)
  double tenth_more_a_day = 0;           // money that a tenth more of it would earn a day, at most
  uint32_t hours = 0, hours_priced = 0;  // of an hourly one
  // "sms money: 400 of 400 used; 1 more would earn at most 161.01, a tenth more at most 920.06 a day".
  std::string ToString() const;
};

struct BatchPlan {
  Plan plan;
  DualPrices prices;
  std::vector<SharedLimit> limits;  // as counted: an hourly one is 168 of them
  std::vector<LimitReport> report;  // one per BatchLimit

  // Share of the bound that the plan does not reach; the bound is over all arms, not over shortlists.
  double gap() const { return prices.dual_bound > 0 ? 1 - plan.value / prices.dual_bound : 0; }
};

// kInvalidArgument names the limit and what to say instead.
Result<std::vector<SharedLimit>> CountLimits(const PlanFrame& frame, const ArmShape& shape,
                                             const std::vector<BatchLimit>& limits);
// `cancelled`, asked for every customer that is looked at and true for ever once it is: kUnavailable then, soon, and
// nothing more goes to the sink.
Result<BatchPlan> PlanBatch(const PlanCustomers& customers, const std::vector<BatchLimit>& limits,
                            const BatchOptions& options, const DrawSink& sink = nullptr,
                            const std::function<bool()>& cancelled = nullptr);

// "best", "explored", "nothing-worth", "limits", or the rule that left no channel ("no-consent").
const char* PlanReasonName(const PlanCustomers& customers, uint32_t index, const DrawnArm& drawn);
// Named as in JSON (docs/API.md "Batches"). An empty itemId is nothing; a decisionId stands where the decision is kept.
inline constexpr char kPlanCsvHead[] = "customer,itemId,at,channel,propensity,reason,decisionId\n";
// Of a plan that is not kept. Customers [begin, end).
void AppendPlanCsv(const PlanCustomers& customers, const Plan& plan, uint32_t begin, uint32_t end, std::string* out);

}  // namespace rapport
