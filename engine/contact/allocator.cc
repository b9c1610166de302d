#include "engine/contact/allocator.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace rapport {
namespace {

constexpr double kMicro = 1e6;
constexpr double kAmountMax = 1e12;
constexpr double kPlanDays = 7;
constexpr uint32_t kShortlistWithoutDice = 24;

bool Names(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

Status CheckBatchLimit(const PlanFrame& frame, const BatchLimit& limit) {
  const auto bad = [&](const std::string& what) {
    return Status::InvalidArgument("limit " + limit.name + ": " + what);
  };
  if (!(limit.amount >= 0 && limit.amount <= kAmountMax)) return bad("its amount is not between 0 and 1e12");
  if (limit.unit == BatchLimit::Unit::kMinutes && limit.minutes.empty()) return bad("it says no minutes of a send");
  for (const auto& [channel, minutes] : limit.minutes) {
    if (!(minutes > 0 && minutes <= 1e9)) return bad("minutes per send must be above 0");
    if (frame.settings.FindChannel(channel) == nullptr) return bad("there is no channel " + channel);
  }
  if (!limit.hours_taken.empty() && limit.hours_taken.size() != kSlots) return bad("what is taken is not by hour");
  if (limit.per_hour && !limit.contents.empty()) return bad("it is per hour and names contents; make two limits");
  for (const std::string& name : limit.channels) {
    if (frame.settings.FindChannel(name) == nullptr) return bad("there is no channel " + name);
  }
  for (const std::string& name : limit.contents) {
    const bool known = std::any_of(frame.contents.begin(), frame.contents.end(),
                                   [&](const PlanContent& content) { return content.name == name; });
    if (!known) return bad("content " + name + " is not among those of the plan");
  }
  return Status::Ok();
}

int64_t MostOf(double amount, double units_per_one) {
  return std::max(int64_t{0}, static_cast<int64_t>(std::floor(amount * units_per_one + 1e-6)));
}

// Never more than said: a send is counted up, the amount down.
SharedLimit Counted(const PlanFrame& frame, const BatchLimit& limit) {
  SharedLimit counted;
  counted.name = limit.name;
  counted.units_per_one = limit.unit == BatchLimit::Unit::kSends ? 1 : kMicro;
  counted.most = MostOf(limit.amount - limit.taken, counted.units_per_one);
  for (const PlanChannel& channel : frame.channels) {
    const ChannelSettings& settings = frame.settings.channels[channel.settings];
    double of_send = 1;
    if (limit.unit == BatchLimit::Unit::kMoney) of_send = settings.cost;
    if (limit.unit == BatchLimit::Unit::kMinutes) {
      const auto minutes = limit.minutes.find(settings.name);
      of_send = minutes != limit.minutes.end() ? minutes->second : 0;
    }
    const bool is_meant = Names(limit.channels, settings.name);
    counted.per_send.push_back(is_meant ? static_cast<int64_t>(std::ceil(of_send * counted.units_per_one - 1e-6)) : 0);
  }
  for (size_t i = 0; i < frame.contents.size() && !limit.contents.empty(); ++i) {
    if (Names(limit.contents, frame.contents[i].name)) counted.contents.push_back(static_cast<uint16_t>(i));
  }
  return counted;
}

LimitReport ReportOf(const BatchLimit& limit, std::span<const SharedLimit> counted, std::span<const int64_t> used,
                     std::span<const double> prices) {
  LimitReport report;
  report.name = limit.name;
  report.hours = limit.per_hour ? static_cast<uint32_t>(counted.size()) : 0;
  for (size_t k = 0; k < counted.size(); ++k) {
    const double units = counted[k].units_per_one;
    report.amount += static_cast<double>(counted[k].most) / units;
    report.used += static_cast<double>(used[k]) / units;
    report.price += prices[k] * units / static_cast<double>(counted.size());
    report.tenth_more_a_day += 0.1 * prices[k] * static_cast<double>(counted[k].most) / kPlanDays;
    report.hours_priced += limit.per_hour && prices[k] > 0 ? 1 : 0;
  }
  return report;
}

void AddAgents(const PlanFrame& frame, std::vector<BatchLimit>* limits) {
  for (const AgentSettings& team : frame.settings.limits.agents) {
    const bool is_needed = std::any_of(frame.channels.begin(), frame.channels.end(), [&](const PlanChannel& channel) {
      return team.minutes_per_contact.contains(frame.settings.channels[channel.settings].name);
    });
    if (!is_needed) continue;
    BatchLimit limit;
    limit.name = team.name + " minutes per hour";
    limit.amount = team.minutes_per_hour;
    limit.unit = BatchLimit::Unit::kMinutes;
    limit.minutes = team.minutes_per_contact;
    limit.per_hour = true;
    limits->push_back(std::move(limit));
  }
}

void AppendField(const std::string& text, std::string* out) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    *out += text;
    return;
  }
  *out += '"';
  for (char c : text) {
    if (c == '"') *out += '"';
    *out += c;
  }
  *out += '"';
}

// The customers' arms, and no arm for anybody once `cancelled`: whatever looks at customers comes to its end at once.
ArmSource SourceUntil(const std::function<bool()>& cancelled, const PlanCustomers& customers) {
  return [&cancelled, &customers, source = customers.Source()](uint32_t customer, CustomerArms* arms) {
    if (!cancelled()) return source(customer, arms);
    std::fill(arms->channel_slot.begin(), arms->channel_slot.end(), kNotAllowed);
    std::fill(arms->cost.begin(), arms->cost.end(), 0.0f);
    arms->own_kind_slot.assign(customers.shape().kinds * kSlotStride, 0);
    arms->kind_slot = arms->own_kind_slot.data();
    arms->kind_slot_step = 0;
  };
}

}  // namespace

std::string LimitReport::ToString() const {
  char text[256];
  std::snprintf(text, sizeof(text),
                ": %.6g of %.6g used; 1 more would earn at most %.6g, a tenth more at most %.6g a day", used, amount,
                price, tenth_more_a_day);
  std::string line = name + text;
  if (hours > 0) line += " (" + std::to_string(hours_priced) + " of " + std::to_string(hours) + " hours are scarce)";
  return line;
}

std::vector<BatchLimit> LimitsOfSettings(const PlanFrame& frame) {
  std::vector<BatchLimit> limits;
  for (const BudgetSettings& budget : frame.settings.limits.budgets) {
    BatchLimit limit;
    limit.name = budget.name;
    limit.amount = budget.amount;
    limit.unit = BatchLimit::Unit::kMoney;
    limit.channels = budget.channels;
    limits.push_back(std::move(limit));
  }
  for (const PlanChannel& channel : frame.channels) {
    const ChannelSettings& settings = frame.settings.channels[channel.settings];
    if (settings.capacity_per_hour == 0) continue;
    BatchLimit limit;
    limit.name = settings.name + " per hour";
    limit.amount = static_cast<double>(settings.capacity_per_hour);
    limit.channels = {settings.name};
    limit.per_hour = true;
    limits.push_back(std::move(limit));
  }
  AddAgents(frame, &limits);
  for (const PlanContent& content : frame.contents) {
    if (!content.stock) continue;
    BatchLimit limit;
    limit.name = "stock of " + content.name;
    limit.amount = static_cast<double>(*content.stock);
    limit.contents = {content.name};
    limits.push_back(std::move(limit));
  }
  return limits;
}

Result<std::vector<SharedLimit>> CountLimits(const PlanFrame& frame, const ArmShape& shape,
                                             const std::vector<BatchLimit>& limits) {
  std::vector<SharedLimit> counted;
  for (const BatchLimit& limit : limits) {
    RAPPORT_RETURN_IF_ERROR(CheckBatchLimit(frame, limit));
    const SharedLimit one = Counted(frame, limit);
    if (!limit.per_hour) {
      counted.push_back(one);
      continue;
    }
    for (uint8_t s = 0; s < kSlots; ++s) {
      counted.push_back(one);
      counted.back().slots = {s};
      if (!limit.hours_taken.empty()) {
        counted.back().most = MostOf(limit.amount - limit.hours_taken[s], one.units_per_one);
      }
    }
  }
  const Result<LimitSet> set = LimitSet::Make(shape, counted);
  if (!set.ok()) return set.status();
  return counted;
}

Result<BatchPlan> PlanBatch(const PlanCustomers& customers, const std::vector<BatchLimit>& limits,
                            const BatchOptions& options, const DrawSink& sink, const std::function<bool()>& cancelled) {
  if (!(options.temperature >= 0) || !(options.exploration >= 0 && options.exploration <= 1)) {
    return Status::InvalidArgument("the temperature is 0 or more, and exploration is between 0 and 1");
  }
  if (options.shortlist < 2 || options.shortlist > 64) {
    return Status::InvalidArgument("a shortlist has 2 to 64 arms, nothing among them");
  }
  Result<std::vector<SharedLimit>> counted = CountLimits(customers.frame(), customers.shape(), limits);
  if (!counted.ok()) return counted.status();
  BatchPlan batch;
  batch.limits = counted.Take();
  const LimitSet set = LimitSet::Make(customers.shape(), batch.limits).Take();
  PricingOptions pricing;
  pricing.seed = options.seed;
  pricing.threads = options.threads;
  const ArmSource source = cancelled ? SourceUntil(cancelled, customers) : customers.Source();
  const DrawSink sink_until = [&](const DrawRecord& record) {
    if (!cancelled()) sink(record);
  };
  batch.prices = FindPrices(customers.shape(), set, source, customers.size(), pricing);
  DrawOptions draw;
  draw.seed = options.seed;
  draw.temperature = options.temperature;
  draw.exploration = options.exploration;
  draw.shortlist.arms_max = options.shortlist;
  // Without dice the best that fits is taken; the others stand in for what is used up before the next block.
  const bool dice = options.temperature > 0 || options.exploration > 0;
  if (!dice) draw.shortlist.arms_max = std::min(draw.shortlist.arms_max, kShortlistWithoutDice);
  draw.threads = options.threads;
  batch.plan = DrawPlan(customers.shape(), set, source, batch.prices, draw, sink && cancelled ? sink_until : sink);
  if (cancelled && cancelled()) return Status::Unavailable("the batch was stopped");
  size_t first = 0;
  for (const BatchLimit& limit : limits) {
    const size_t count = limit.per_hour ? kSlots : 1;
    batch.report.push_back(ReportOf(limit, std::span(batch.limits).subspan(first, count),
                                    std::span<const int64_t>(batch.plan.used).subspan(first, count),
                                    std::span<const double>(batch.prices.prices).subspan(first, count)));
    first += count;
  }
  return batch;
}

const char* PlanReasonName(const PlanCustomers& customers, uint32_t index, const DrawnArm& drawn) {
  switch (drawn.reason) {
    case DrawReason::kBest: return "best";
    case DrawReason::kExplored: return "explored";
    case DrawReason::kNothingWorth: return "nothing-worth";
    case DrawReason::kPriced: return "limits";
    case DrawReason::kNoArm: return ContactRefusalName(customers.refusal(index));
  }
  return "unknown";
}

void AppendPlanCsv(const PlanCustomers& customers, const Plan& plan, uint32_t begin, uint32_t end, std::string* out) {
  for (uint32_t u = begin; u < end; ++u) {
    const DrawnArm& drawn = plan.drawn[u];
    AppendField(customers.external_id(u), out);
    *out += ',';
    if (drawn.arm.IsNothing()) {
      *out += ",,,";
    } else {
      const PlanFrame& frame = customers.frame();
      AppendField(frame.contents[drawn.arm.content].name, out);
      *out += ',';
      *out += FormatRfc3339(customers.TimeOf(u, drawn.arm));
      *out += ',';
      AppendField(frame.settings.channels[frame.channels[drawn.arm.channel].settings].name, out);
      *out += ',';
    }
    char digits[32];
    const std::to_chars_result written = std::to_chars(digits, digits + sizeof(digits), drawn.propensity);
    out->append(digits, written.ptr);
    *out += ',';
    *out += PlanReasonName(customers, u, drawn);
    *out += ",\n";
  }
}

}  // namespace rapport
