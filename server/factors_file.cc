#include "server/factors_file.h"

#include <cmath>

#include "data/io/json_text.h"
#include "server/endpoints/json_body.h"
#include "server/endpoints/json_writer.h"

namespace rapport {
namespace {

constexpr size_t kFactorsMax = 1024;
constexpr size_t kCountMax = size_t{1} << 32;
constexpr double kNumberMax = 1e12;
constexpr double kDaysMax = 36500;

Status AtLine(size_t line, const Status& status) {
  return Status::InvalidArgument("line " + std::to_string(line) + ": " + status.message());
}

double RequiredNumber(JsonFields& fields, const char* name, double min, double max) {
  const std::optional<double> value = fields.Number(name, min, max);
  if (!value) fields.FailField(name, "is missing");
  return value.value_or(0);
}

// Returns how many items follow.
Result<size_t> ReadHead(std::string_view line, FactorTable& table) {
  const Result<Json> json = ParseJson(line);
  if (!json.ok()) return json.status();
  JsonFields fields(*json, "");
  if (fields.Count("rapportFactors", 1, 1000000).value_or(0) != 1) {
    fields.FailField("rapportFactors", "must be 1: the first line says what the file is, see docs/MODELS.md");
  }
  AlsOptions& options = table.options;
  options.factors = static_cast<int>(RequiredNumber(fields, "factors", 1, kFactorsMax));
  options.unobserved_weight = RequiredNumber(fields, "unobservedWeight", 0, kNumberMax);
  options.regularization = RequiredNumber(fields, "regularization", 0, kNumberMax);
  if (options.regularization <= 0) fields.FailField("regularization", "must be above 0");
  options.regularization_power = fields.Number("regularizationPower", 0, 2).value_or(1);
  table.history_half_life_days = RequiredNumber(fields, "halfLifeDays", 0.01, kDaysMax);
  const std::optional<Timestamp> until = fields.Time("trainedUntil");
  if (!until) fields.FailField("trainedUntil", "is missing: the time of the last event that the factors have seen");
  table.trained_until = until.value_or(Timestamp{});
  table.customers = static_cast<uint32_t>(fields.Count("customers", 0, UINT32_MAX).value_or(0));
  const std::optional<size_t> items = fields.Count("items", 1, kCountMax);
  if (!items) fields.FailField("items", "is missing: the number of lines that follow");
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  return *items;
}

Status ReadItem(std::string_view line, FactorTable& table) {
  const Result<Json> json = ParseJson(line);
  if (!json.ok()) return json.status();
  JsonFields fields(*json, "");
  table.item_ids.push_back(fields.RequiredId("itemId"));
  const Json* factor = fields.Find("factor");
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  const auto d = static_cast<size_t>(table.options.factors);
  const auto wrong = [&](const std::string& must) {
    return Status::InvalidArgument("factor of item " + QuoteForMessage(table.item_ids.back()) + " " + must);
  };
  if (factor == nullptr || !factor->is_array() || factor->size() != d) {
    const std::string has = factor != nullptr && factor->is_array() ? ", not " + std::to_string(factor->size()) : "";
    return wrong("must be an array of " + std::to_string(d) + " numbers" + has);
  }
  for (const Json& value : *factor) {
    const double number = value.is_number() ? value.get<double>() : NAN;
    if (!std::isfinite(number) || !std::isfinite(static_cast<float>(number))) {
      return wrong("holds what is not a finite number of single precision: " + value.dump());
    }
    table.factors.push_back(static_cast<float>(number));
  }
  return Status::Ok();
}

}  // namespace

std::string FormatFactors(const FactorTable& table) {
  const auto d = static_cast<size_t>(table.options.factors);
  JsonWriter head;
  head.BeginObject().Key("rapportFactors").Unsigned(1).Key("factors").Unsigned(d);
  head.Key("items").Unsigned(table.item_ids.size());
  head.Key("unobservedWeight").Number(table.options.unobserved_weight);
  head.Key("regularization").Number(table.options.regularization);
  head.Key("regularizationPower").Number(table.options.regularization_power);
  head.Key("halfLifeDays").Number(table.history_half_life_days);
  head.Key("trainedUntil").Time(table.trained_until).Key("customers").Unsigned(table.customers).EndObject();
  std::string out = head.Take() + "\n";
  for (size_t i = 0; i < table.item_ids.size(); ++i) {
    JsonWriter line(32 + 12 * d);
    line.BeginObject().Key("itemId").String(table.item_ids[i]).Key("factor").BeginArray();
    for (size_t k = 0; k < d; ++k) {
      const float value = table.factors[i * d + k];
      // "-0" would be read as an integer, which has no negative zero.
      value == 0 && std::signbit(value) ? line.Raw("-0.0") : line.Number(value);
    }
    line.EndArray().EndObject();
    out += line.Take() + "\n";
  }
  return out;
}

Result<FactorTable> ParseFactors(std::string_view text) {
  FactorTable table;
  size_t number = 0, items = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    if (items == 0) {
      const Result<size_t> head = ReadHead(line, table);
      if (!head.ok()) return AtLine(number, head.status());
      items = *head;
      continue;
    }
    if (table.item_ids.size() == items) {
      return Status::InvalidArgument("line " + std::to_string(number) + ": more items than the " +
                                     std::to_string(items) + " that the first line says");
    }
    if (const Status read = ReadItem(line, table); !read.ok()) return AtLine(number, read);
  }
  if (items == 0) return Status::InvalidArgument("the file is empty");
  if (table.item_ids.size() < items) {
    return Status::InvalidArgument("the file ends after " + std::to_string(table.item_ids.size()) + " of " +
                                   std::to_string(items) + " items: truncated?");
  }
  return table;
}

}  // namespace rapport
