#include "engine/content/filter_cache.h"

namespace rapport {

std::shared_ptr<const CompiledFilter> CompiledFilter::Make(std::shared_ptr<const Filter> filter,
                                                           const CatalogIndex& index) {
  auto compiled = std::make_shared<CompiledFilter>();
  compiled->filter_ = std::move(filter);
  compiled->serial_ = index.serial();
  compiled->words_ = WordsFor(index.bits());
  compiled->part_of_node_.assign(compiled->filter().nodes().size(), kNoPart);
  if (!compiled->filter().matches_everything()) compiled->AssignParts(compiled->filter().root());
  compiled->parts_.assign(compiled->part_roots_.size(), Bitmap(compiled->words_));
  for (uint32_t id = 1; id < index.bits(); ++id) compiled->Evaluate(index, id);
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

Bitmap CompiledFilter::Join(uint32_t index, const ItemSet& customer) const {
  if (part_of_node_[index] != kNoPart) return parts_[part_of_node_[index]];
  const FilterNode& node = filter_->nodes()[index];
  if (node.kind == FilterNode::Kind::kCustomer) {
    Bitmap bits(words_);
    for (const ItemSetEntry& entry : customer) {
      const bool set = node.field == FilterField::kViewed    ? entry.viewed
                       : node.field == FilterField::kOrdered ? entry.ordered
                                                             : entry.owned > 0;
      if (set && entry.item.value < words_ * 64) SetBit(bits, entry.item.value);
    }
    return bits;
  }
  Bitmap bits = Join(node.children[0], customer);
  if (node.kind == FilterNode::Kind::kNot) {
    for (uint64_t& word : bits) word = ~word;
    return bits;
  }
  for (size_t i = 1; i < node.children.size(); ++i) {
    const Bitmap other = Join(node.children[i], customer);
    for (size_t w = 0; w < words_; ++w) {
      bits[w] = node.kind == FilterNode::Kind::kAnd ? bits[w] & other[w] : bits[w] | other[w];
    }
  }
  return bits;
}

void CompiledFilter::Restrict(const ItemSet& customer, std::span<uint64_t> words) const {
  if (filter_->matches_everything()) return;
  const auto restrict_to = [&](const Bitmap& bits) {
    for (size_t w = 0; w < words.size(); ++w) words[w] &= bits[w];
  };
  const uint32_t part = part_of_node_[filter_->root()];
  if (part != kNoPart) return restrict_to(parts_[part]);
  restrict_to(Join(filter_->root(), customer));
}

std::shared_ptr<const CompiledFilter> FilterCache::Find(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->second;
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
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    if (found->second->second->serial() >= compiled->serial()) return;
    bytes_ -= found->second->second->bytes();
    found->second->second = compiled;
  } else {
    recent_.emplace_front(key, compiled);
    by_key_[key] = recent_.begin();
  }
  bytes_ += compiled->bytes();
  while (!recent_.empty() && (recent_.size() > entries_max_ || bytes_ > bytes_max_)) {
    bytes_ -= recent_.back().second->bytes();
    by_key_.erase(recent_.back().first);
    recent_.pop_back();
  }
}

size_t FilterCache::entries() const {
  std::lock_guard lock(mutex_);
  return recent_.size();
}

size_t FilterCache::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
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
