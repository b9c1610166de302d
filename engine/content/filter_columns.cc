#include "engine/content/filter_columns.h"

#include "engine/content/catalog_index.h"

namespace rapport {
namespace {

constexpr size_t kNodeBytes = 160;  // about, of a value's nodes: in the table, and of the list or map in its example

// The bytes of a value, different for different ones of one field; and an item that has it alone.
class ValueReader {
 public:
  explicit ValueReader(const FilterColumnKey& key) : field_(key.first), attribute_(key.second) {}

  void Read(const Item& item, std::string& bytes) const {
    bytes.clear();
    switch (field_) {
      case FilterField::kItemId: bytes = item.external_id; break;
      case FilterField::kKind: bytes = item.kind; break;
      case FilterField::kTitle: bytes = item.title; break;
      case FilterField::kLanguage: bytes = item.language; break;
      case FilterField::kVariantOf: bytes = item.variant_of; break;
      case FilterField::kCategory: Add(item.categories, bytes); break;
      case FilterField::kTag: Add(item.tags, bytes); break;
      case FilterField::kAudience: Add(item.audience, bytes); break;
      case FilterField::kPrice: Add(item.price, bytes); break;
      case FilterField::kMargin: Add(item.margin, bytes); break;
      case FilterField::kStock:
        if (item.stock) Add(*item.stock, bytes);
        break;
      case FilterField::kAvailable: bytes += item.available ? '1' : '0'; break;
      case FilterField::kPublishedAt: Add(item.published_at, bytes); break;
      case FilterField::kExpiresAt: Add(item.expires_at, bytes); break;
      case FilterField::kAttribute: ReadAttribute(item, bytes); break;
      case FilterField::kViewed:
      case FilterField::kOrdered:
      case FilterField::kOwned: break;  // no field of the item
    }
  }

  Item Example(const Item& item) const {
    Item out;
    out.kind.clear();
    out.available = false;
    switch (field_) {
      case FilterField::kItemId: out.external_id = item.external_id; break;
      case FilterField::kKind: out.kind = item.kind; break;
      case FilterField::kTitle: out.title = item.title; break;
      case FilterField::kLanguage: out.language = item.language; break;
      case FilterField::kVariantOf: out.variant_of = item.variant_of; break;
      case FilterField::kCategory: out.categories = item.categories; break;
      case FilterField::kTag: out.tags = item.tags; break;
      case FilterField::kAudience: out.audience = item.audience; break;
      case FilterField::kPrice: out.price = item.price; break;
      case FilterField::kMargin: out.margin = item.margin; break;
      case FilterField::kStock: out.stock = item.stock; break;
      case FilterField::kAvailable: out.available = item.available; break;
      case FilterField::kPublishedAt: out.published_at = item.published_at; break;
      case FilterField::kExpiresAt: out.expires_at = item.expires_at; break;
      case FilterField::kAttribute: {
        const auto found = item.attributes.find(attribute_);
        if (found != item.attributes.end()) out.attributes.insert(*found);
        break;
      }
      case FilterField::kViewed:
      case FilterField::kOrdered:
      case FilterField::kOwned: break;
    }
    return out;
  }

 private:
  template <typename Number>
  static void AddBytes(const Number& number, std::string& bytes) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
  static void Add(int64_t number, std::string& bytes) { AddBytes(number, bytes); }
  static void Add(const std::optional<Decimal>& number, std::string& bytes) {
    if (!number) return;
    AddBytes(number->mantissa, bytes);
    AddBytes(number->scale, bytes);
  }
  static void Add(const std::optional<Timestamp>& time, std::string& bytes) {
    if (time) AddBytes(time->ms, bytes);
  }
  static void Add(const std::vector<std::string>& list, std::string& bytes) {
    for (const std::string& text : list) {
      AddBytes(text.size(), bytes);
      bytes += text;
    }
  }
  // The type first: a text is not a list of one.
  void ReadAttribute(const Item& item, std::string& bytes) const {
    const auto found = item.attributes.find(attribute_);
    if (found == item.attributes.end()) return;
    bytes += static_cast<char>('0' + found->second.index());
    if (const bool* boolean = std::get_if<bool>(&found->second)) bytes += *boolean ? '1' : '0';
    if (const double* number = std::get_if<double>(&found->second)) AddBytes(*number, bytes);
    if (const std::string* text = std::get_if<std::string>(&found->second)) bytes += *text;
    if (const auto* list = std::get_if<std::vector<std::string>>(&found->second)) Add(*list, bytes);
  }

  const FilterField field_;
  const std::string& attribute_;
};

}  // namespace

std::shared_ptr<const FilterColumn> FilterColumn::Make(const FilterColumnKey& key, const Catalog& catalog) {
  auto column = std::make_shared<FilterColumn>();
  column->key_ = key;
  column->codes_.resize(WordsFor(catalog.size() + 1) * 64);
  column->dictionary_ = std::make_shared<Dictionary>();
  column->dictionary_->examples.resize(1);
  std::string bytes;
  for (uint32_t id = 1; id <= catalog.size(); ++id) {
    if (!column->Put(id, catalog.Get(ItemId{id}), bytes)) return nullptr;
  }
  return column;
}

std::shared_ptr<const FilterColumn> FilterColumn::Follow(const FilterColumn& before, const Catalog& catalog,
                                                         std::span<const uint32_t> changed) {
  auto column = std::make_shared<FilterColumn>(before);
  column->codes_.resize(WordsFor(catalog.size() + 1) * 64);
  std::string bytes;
  for (const uint32_t id : changed) {
    if (!column->Put(id, catalog.Get(ItemId{id}), bytes)) return nullptr;
  }
  return column;
}

bool FilterColumn::Put(uint32_t id, const Item* item, std::string& bytes) {
  codes_[id] = 0;
  if (item == nullptr) return true;
  const ValueReader reader(key_);
  reader.Read(*item, bytes);
  const auto found = dictionary_->code_of.find(bytes);
  if (found != dictionary_->code_of.end()) {
    codes_[id] = found->second;
    return true;
  }
  if (values() == kValuesMax) return false;
  if (dictionary_.use_count() > 1) dictionary_ = std::make_shared<Dictionary>(*dictionary_);
  codes_[id] = static_cast<uint16_t>(dictionary_->examples.size());
  dictionary_->code_of.emplace(bytes, codes_[id]);
  dictionary_->examples.push_back(reader.Example(*item));
  dictionary_->value_bytes += 2 * bytes.size() + kNodeBytes;  // here and in the example
  return true;
}

Bitmap FilterColumn::Matching(const Filter& filter, uint32_t node) const {
  const std::vector<Item>& examples = dictionary_->examples;
  std::vector<uint8_t> matches(examples.size());
  for (size_t code = 1; code < matches.size(); ++code) {
    matches[code] = filter.MatchesNode(node, examples[code], nullptr) ? 1 : 0;
  }
  Bitmap bits(codes_.size() / 64);
  for (size_t w = 0; w < bits.size(); ++w) {
    const uint16_t* codes = codes_.data() + 64 * w;
    uint64_t word = 0;
    for (size_t i = 0; i < 64; ++i) word |= static_cast<uint64_t>(matches[codes[i]]) << i;
    bits[w] = word;
  }
  return bits;
}

size_t FilterColumn::bytes() const {
  const Dictionary& values = *dictionary_;
  return codes_.capacity() * sizeof(uint16_t) + values.examples.capacity() * sizeof(Item) + values.value_bytes;
}

// Made outside the lock: two requests may make the same column once, none waits for another's.
std::shared_ptr<const FilterColumn> FilterColumns::Get(const FilterColumnKey& key, const CatalogIndex& index) {
  const std::string name = static_cast<char>(key.first) + key.second;
  Kept known;
  {
    std::lock_guard lock(mutex_);
    const Kept* kept = recent_.Find(name);
    if (kept == nullptr) {
      recent_.Put(name, {});
      return nullptr;
    }
    if (kept->never || kept->serial > index.serial()) return nullptr;
    if (kept->column != nullptr && kept->serial == index.serial()) return kept->column;
    known = *kept;
  }
  std::vector<uint32_t> changed;
  const bool follows = known.column != nullptr && index.ChangedSince(known.serial, changed);
  auto column = follows ? FilterColumn::Follow(*known.column, index.catalog(), changed) : nullptr;
  if (column == nullptr) column = FilterColumn::Make(key, index.catalog());  // values that nothing has any more go
  std::lock_guard lock(mutex_);
  const Kept* kept = recent_.Peek(name);
  if (kept != nullptr && (kept->never || kept->serial > index.serial())) return column;
  if (column == nullptr || !recent_.Put(name, {index.serial(), column}, column->bytes())) {
    recent_.Put(name, {.never = true});
  }
  return column;
}

size_t FilterColumns::bytes() const {
  std::lock_guard lock(mutex_);
  return recent_.bytes();
}

}  // namespace rapport
