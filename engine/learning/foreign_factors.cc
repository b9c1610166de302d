#include "engine/learning/foreign_factors.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/text.h"

namespace rapport {
namespace {

constexpr size_t kNamedMax = 3;

// "2 items that ...: 'a', 'b'"
class Names {
 public:
  void Add(const std::string& name) {
    if (count_++ < kNamedMax) text_ += (text_.empty() ? "" : ", ") + QuoteForMessage(name);
  }
  size_t count() const { return count_; }
  std::string Say() const { return text_ + (count_ > kNamedMax ? ", ..." : ""); }

 private:
  size_t count_ = 0;
  std::string text_;
};

Status CheckShape(const FactorTable& table) {
  const auto d = static_cast<size_t>(std::max(0, table.options.factors));
  if (table.item_ids.empty()) return Status::InvalidArgument("the file holds no item");
  if (d == 0 || table.factors.size() != table.item_ids.size() * d) {
    return Status::InvalidArgument(std::to_string(table.factors.size()) + " numbers for " +
                                   std::to_string(table.item_ids.size()) + " items of " + std::to_string(d) +
                                   " factors");
  }
  if (!std::isfinite(table.history_half_life_days) || table.history_half_life_days <= 0) {
    return Status::InvalidArgument("halfLifeDays must be above 0");
  }
  for (size_t i = 0; i < table.factors.size(); ++i) {
    if (std::isfinite(table.factors[i])) continue;
    return Status::InvalidArgument("factor " + std::to_string(i % d) + " of item " +
                                   QuoteForMessage(table.item_ids[i / d]) + " is not a finite number");
  }
  return Status::Ok();
}

// Items with an event that the factors have seen, but no factor.
Names MissingItems(const TrainingSet& set, Timestamp until, const std::unordered_map<uint64_t, size_t>& places,
                   const Catalog& catalog) {
  std::vector<bool> seen(set.items());
  for (const TrainingLine& line : set.lines) {
    if (line.time <= until && line.weight > 0) seen[line.item] = true;
  }
  Names missing;
  for (uint32_t row = 0; row < set.items(); ++row) {
    if (!seen[row] || places.contains(set.item_ids[row])) continue;
    const Item* item = catalog.Get(ItemId{set.item_ids[row]});
    missing.Add(item != nullptr ? item->external_id : std::to_string(set.item_ids[row]));
  }
  return missing;
}

}  // namespace

FactorTable ExportFactors(const ContentModel& model, const Catalog& catalog) {
  FactorTable table;
  table.options = model.als.options;
  table.history_half_life_days = model.history_half_life_days;
  table.trained_until = model.trained_until;
  table.customers = model.als.customers;
  const auto d = static_cast<size_t>(model.als.options.factors);
  for (uint32_t row = 0; row < model.rows(); ++row) {
    const Item* item = catalog.Get(ItemId{model.item_ids[row]});
    if (item == nullptr) continue;  // of another store: it has no name here
    table.item_ids.push_back(item->external_id);
    const auto first = model.als.item_factors.begin() + static_cast<ptrdiff_t>(row * d);
    table.factors.insert(table.factors.end(), first, first + static_cast<ptrdiff_t>(d));
  }
  return table;
}

Result<std::shared_ptr<const ForeignFactors>> ForeignFactors::Make(const FactorTable& table, const Catalog& catalog,
                                                                   const TrainingSet& set, Coverage coverage) {
  RAPPORT_RETURN_IF_ERROR(CheckShape(table));
  std::shared_ptr<ForeignFactors> made(new ForeignFactors);
  made->options_ = table.options;
  made->history_half_life_days_ = table.history_half_life_days;
  made->trained_until_ = table.trained_until;
  made->customers_ = table.customers;
  made->factors_ = table.factors;
  Names twice, unknown;
  std::unordered_set<std::string> names;
  for (size_t i = 0; i < table.item_ids.size(); ++i) {
    if (!names.insert(table.item_ids[i]).second) twice.Add(table.item_ids[i]);
    const Item* item = catalog.Find(table.item_ids[i]);
    if (item == nullptr) {
      unknown.Add(table.item_ids[i]);
    } else {
      made->place_of_item_.emplace(item->id.value, i);
    }
  }
  if (twice.count() > 0) {
    return Status::InvalidArgument(std::to_string(twice.count()) + " items stand twice in the file: " + twice.Say());
  }
  const bool whole = coverage == Coverage::kWhole;
  if (whole && unknown.count() > 0) {
    return Status::InvalidArgument(std::to_string(unknown.count()) + " items of the file are not known here: " +
                                   unknown.Say() + "; put them into the catalogue, or leave them out with --partial");
  }
  const Names missing = MissingItems(set, table.trained_until, made->place_of_item_, catalog);
  if (whole && missing.count() > 0) {
    return Status::InvalidArgument(
        std::to_string(missing.count()) + " items with events until " + FormatRfc3339(table.trained_until) +
        " have no factor in the file: " + missing.Say() + "; add them, or let them go without one with --partial");
  }
  made->items_left_out_ = unknown.count();
  size_t usable = 0;
  for (const uint64_t id : set.item_ids) usable += made->place_of_item_.contains(id);
  if (usable == 0) return Status::InvalidArgument("no item of the file has an event here: is it of another shop?");
  const Result<AlsModel> sound = made->For(set.item_ids);
  if (!sound.ok()) return Status::InvalidArgument(sound.status().message());
  return std::shared_ptr<const ForeignFactors>(std::move(made));
}

Result<AlsModel> ForeignFactors::For(const std::vector<uint64_t>& item_ids) const {
  const auto d = static_cast<size_t>(options_.factors);
  AlsModel model;
  model.options = options_;
  model.items = static_cast<uint32_t>(item_ids.size());
  model.customers = customers_;
  model.item_factors.resize(item_ids.size() * d);
  for (size_t row = 0; row < item_ids.size(); ++row) {
    const auto at = place_of_item_.find(item_ids[row]);
    if (at == place_of_item_.end()) continue;
    std::copy_n(factors_.begin() + static_cast<ptrdiff_t>(at->second * d), d,
                model.item_factors.begin() + static_cast<ptrdiff_t>(row * d));
  }
  RAPPORT_RETURN_IF_ERROR(CheckAndPrepare(model));
  return model;
}

}  // namespace rapport
