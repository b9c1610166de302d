#include "engine/content/filter_cache.h"

#include <map>

namespace rapport {
namespace {

using Columns = std::map<FilterColumnKey, std::shared_ptr<const FilterColumn>>;

// The columns of all fields below a node; false where one has none. All are asked for, so that each is noted.
bool ColumnsOf(const Filter& filter, uint32_t index, const CatalogIndex& catalog, Columns& columns) {
  const FilterNode& node = filter.nodes()[index];
  if (node.kind == FilterNode::Kind::kCompare) {
    const FilterColumnKey key{node.field, node.attribute};
    const auto [at, is_new] = columns.try_emplace(key);
    if (is_new) at->second = catalog.columns()->Get(key, catalog);
    return at->second != nullptr;
  }
  bool all = true;
  for (const uint32_t child : node.children) all = ColumnsOf(filter, child, catalog, columns) && all;
  return all;
}

// What matches below a node, each field by its column. A bit of no item may be set below a NOT.
Bitmap MatchingByColumns(const Filter& filter, uint32_t index, const Columns& columns) {
  const FilterNode& node = filter.nodes()[index];
  if (node.kind == FilterNode::Kind::kCompare) {
    return columns.at({node.field, node.attribute})->Matching(filter, index);
  }
  Bitmap bits = MatchingByColumns(filter, node.children[0], columns);
  if (node.kind == FilterNode::Kind::kNot) {
    for (uint64_t& word : bits) word = ~word;
    return bits;
  }
  for (size_t i = 1; i < node.children.size(); ++i) {
    const Bitmap other = MatchingByColumns(filter, node.children[i], columns);
    for (size_t w = 0; w < bits.size(); ++w) {
      bits[w] = node.kind == FilterNode::Kind::kAnd ? bits[w] & other[w] : bits[w] | other[w];
    }
  }
  return bits;
}

}  // namespace

std::shared_ptr<const CompiledFilter> CompiledFilter::Make(std::shared_ptr<const Filter> filter,
                                                           const CatalogIndex& index) {
  auto compiled = std::make_shared<CompiledFilter>();
  compiled->filter_ = std::move(filter);
  compiled->serial_ = index.serial();
  compiled->words_ = WordsFor(index.bits());
  compiled->part_of_node_.assign(compiled->filter().nodes().size(), kNoPart);
  if (!compiled->filter().matches_everything()) compiled->AssignParts(compiled->filter().root());
  compiled->parts_.assign(compiled->part_roots_.size(), Bitmap(compiled->words_));
  bool all = true;
  for (size_t part = 0; part < compiled->parts_.size(); ++part) all = compiled->EvaluateByColumns(index, part) && all;
  if (!all) {
    for (uint32_t id = 1; id < index.bits(); ++id) compiled->Evaluate(index, id);
  }
  compiled->MakeBound();
  return compiled;
}

std::shared_ptr<const CompiledFilter> CompiledFilter::Follow(const CompiledFilter& before, const CatalogIndex& index) {
  std::vector<uint32_t> changed;
  if (!index.ChangedSince(before.serial_, changed)) return Make(before.filter_, index);
  auto compiled = std::make_shared<CompiledFilter>(before);
  compiled->serial_ = index.serial();
  compiled->words_ = WordsFor(index.bits());
  for (Bitmap& part : compiled->parts_) part.resize(compiled->words_);
  for (const uint32_t id : changed) compiled->Evaluate(index, id);
  compiled->MakeBound();
  return compiled;
}

void CompiledFilter::AssignParts(uint32_t index) {
  const FilterNode& node = filter_->nodes()[index];
  if (!node.uses_customer) {
    part_of_node_[index] = static_cast<uint32_t>(part_roots_.size());
    part_roots_.push_back(index);
    return;
  }
  for (const uint32_t child : node.children) AssignParts(child);
}

void CompiledFilter::Evaluate(const CatalogIndex& index, uint32_t id) {
  const Item* item = index.catalog().Get(ItemId{id});
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (item != nullptr && filter_->MatchesNode(part_roots_[i], *item, nullptr)) {
      SetBit(parts_[i], id);
    } else {
      ClearBit(parts_[i], id);
    }
  }
}

bool CompiledFilter::EvaluateByColumns(const CatalogIndex& index, size_t part) {
  Columns columns;
  if (index.columns() == nullptr || !ColumnsOf(*filter_, part_roots_[part], index, columns)) return false;
  Bitmap& bits = parts_[part];
  bits = MatchingByColumns(*filter_, part_roots_[part], columns);
  for (size_t w = 0; w < bits.size(); ++w) bits[w] &= index.known()[w];
  return true;
}

template <typename OfField>
Bitmap CompiledFilter::Join(uint32_t index, bool negated, const OfField& of_field) const {
  if (part_of_node_[index] != kNoPart) return parts_[part_of_node_[index]];
  const FilterNode& node = filter_->nodes()[index];
  if (node.kind == FilterNode::Kind::kCustomer) return of_field(node.field, negated);
  const bool is_not = node.kind == FilterNode::Kind::kNot;
  Bitmap bits = Join(node.children[0], negated != is_not, of_field);
  if (is_not) {
    for (uint64_t& word : bits) word = ~word;
    return bits;
  }
  for (size_t i = 1; i < node.children.size(); ++i) {
    const Bitmap other = Join(node.children[i], negated, of_field);
    for (size_t w = 0; w < words_; ++w) {
      bits[w] = node.kind == FilterNode::Kind::kAnd ? bits[w] & other[w] : bits[w] | other[w];
    }
  }
  return bits;
}

// A customer field may hold for every item, and for none: whichever lets more pass.
void CompiledFilter::MakeBound() {
  if (filter_->matches_everything()) return;
  if (filter_->uses_customer()) {
    bound_ = Join(filter_->root(), false,
                  [this](FilterField, bool negated) { return Bitmap(words_, negated ? 0 : ~uint64_t{0}); });
  }
  bound_count_ = CountBits(Bound());
}

const Bitmap& CompiledFilter::Bound() const {
  const uint32_t part = part_of_node_[filter_->root()];
  return part != kNoPart ? parts_[part] : bound_;
}

void CompiledFilter::Restrict(const ItemSet& customer, std::span<uint64_t> words) const {
  if (filter_->matches_everything()) return;
  const auto restrict_to = [&](const Bitmap& bits) {
    for (size_t w = 0; w < words.size(); ++w) words[w] &= bits[w];
  };
  const uint32_t part = part_of_node_[filter_->root()];
  if (part != kNoPart) return restrict_to(parts_[part]);
  restrict_to(Join(filter_->root(), false, [&](FilterField field, bool) {
    Bitmap bits(words_);
    for (const ItemSetEntry& entry : customer) {
      const bool set = field == FilterField::kViewed    ? entry.viewed
                       : field == FilterField::kOrdered ? entry.ordered
                                                        : entry.owned > 0;
      if (set && entry.item.value < words_ * 64) SetBit(bits, entry.item.value);
    }
    return bits;
  }));
}

std::shared_ptr<const CompiledFilter> FilterCache::Find(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto* known = recent_.Find(key);
  return known != nullptr ? *known : nullptr;
}

// Compiles outside the lock: two requests may do the same work once, none waits for another's filter.
std::shared_ptr<const CompiledFilter> FilterCache::UpToDate(const std::string& key,
                                                            std::shared_ptr<const CompiledFilter> known,
                                                            std::shared_ptr<const Filter> filter,
                                                            const CatalogIndex& index) {
  if (known != nullptr && known->serial() == index.serial()) return known;
  auto compiled = known != nullptr ? CompiledFilter::Follow(*known, index) : CompiledFilter::Make(filter, index);
  if (index.line() == CatalogIndex::Line::kMain) Keep(key, compiled);
  return compiled;
}

void FilterCache::Keep(const std::string& key, const std::shared_ptr<const CompiledFilter>& compiled) {
  std::lock_guard lock(mutex_);
  const auto* known = recent_.Peek(key);
  if (known == nullptr || (*known)->serial() < compiled->serial()) recent_.Put(key, compiled, compiled->bytes());
}

size_t FilterCache::entries() const {
  std::lock_guard lock(mutex_);
  return recent_.entries();
}

size_t FilterCache::bytes() const {
  std::lock_guard lock(mutex_);
  return recent_.bytes();
}

Result<std::shared_ptr<const CompiledFilter>> FilterCache::Get(const std::string& text, const CatalogIndex& index) {
  const std::shared_ptr<const CompiledFilter> none;
  if (text.empty()) return none;
  const std::string key = "f" + text;
  std::shared_ptr<const CompiledFilter> known = Find(key);
  if (known != nullptr) return UpToDate(key, known, nullptr, index);
  Result<Filter> parsed = Filter::Parse(text);
  if (!parsed.ok()) return parsed.status();
  if (parsed->matches_everything()) return none;
  return UpToDate(key, nullptr, std::make_shared<const Filter>(parsed.Take()), index);
}

std::shared_ptr<const CompiledFilter> FilterCache::KindIs(const std::string& kind, const CatalogIndex& index) {
  const std::string key = "k" + kind;
  std::shared_ptr<const CompiledFilter> known = Find(key);
  if (known != nullptr) return UpToDate(key, known, nullptr, index);
  return UpToDate(key, nullptr, std::make_shared<const Filter>(Filter::KindIs(kind)), index);
}

std::shared_ptr<const CompiledFilter> FilterCache::CategoryIn(const std::vector<std::string>& categories,
                                                              const CatalogIndex& index) {
  std::string key = "c";
  for (const std::string& category : categories) key += category + '\0';
  std::shared_ptr<const CompiledFilter> known = Find(key);
  if (known != nullptr) return UpToDate(key, known, nullptr, index);
  return UpToDate(key, nullptr, std::make_shared<const Filter>(Filter::CategoryIn(categories)), index);
}

}  // namespace rapport
