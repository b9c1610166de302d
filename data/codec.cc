#include "data/codec.h"

#include "data/record_fields.h"

namespace rapport {
namespace {

constexpr uint8_t kRecordVersion = 1;
constexpr uint8_t kSealVersion = 1;

Status Corrupt(const char* what) {
  return Status::DataLoss(std::string("stored ") + what + " is not what was written");
}

}  // namespace

template <typename R>
std::string EncodeRecord(const R& record) {
  std::string out(1, static_cast<char>(kRecordVersion));
  Encoder encoder(out);
  Fields(encoder, record);
  return out;
}

template <typename R>
Result<R> DecodeRecord(std::string_view bytes) {
  if (bytes.empty()) return Corrupt("record");
  if (static_cast<uint8_t>(bytes[0]) != kRecordVersion) {
    return Status::FailedPrecondition("a record of version " + std::to_string(static_cast<uint8_t>(bytes[0])) +
                                      " was found: use the Rapport that wrote it, or a newer one");
  }
  Decoder decoder(bytes.substr(1));
  R record;
  Fields(decoder, record);
  if (!decoder.ok() || !decoder.AtEnd()) return Corrupt("record");
  return record;
}

#define RAPPORT_RECORD(R)                         \
  template std::string EncodeRecord<R>(const R&); \
  template Result<R> DecodeRecord<R>(std::string_view);
RAPPORT_RECORD(Profile)
RAPPORT_RECORD(Item)
RAPPORT_RECORD(Event)
RAPPORT_RECORD(ContactEntry)
RAPPORT_RECORD(Consent)
RAPPORT_RECORD(Link)
RAPPORT_RECORD(Decision)
RAPPORT_RECORD(ApiKey)
RAPPORT_RECORD(ModelRecord)

Status DecodeHistory(std::string_view event_bytes, EventId id, std::vector<HistoryEntry>& out) {
  if (event_bytes.empty() || static_cast<uint8_t>(event_bytes[0]) != kRecordVersion) return Corrupt("event");
  Decoder decoder(event_bytes.substr(1));
  HistoryEntry head;
  TimeMark mark = TimeMark::kAsSent;
  decoder(head.type);
  decoder(mark);
  decoder(head.time);
  decoder(head.value);
  const size_t before = out.size();
  for (size_t left = decoder.Count(); left > 0 && decoder.ok(); --left) {
    ItemLine line;
    decoder(line);
    HistoryEntry& entry = out.emplace_back();
    entry.event = id;
    entry.item = line.item;
    entry.type = head.type;
    entry.time = head.time;
    entry.quantity = line.quantity;
    entry.value = head.value;
  }
  const std::string_view name = decoder.Text();
  const bool of_an_order =
      head.type == EventType::kOrdered || head.type == EventType::kRefunded || head.type == EventType::kCancelled;
  const std::string_view order_id = of_an_order ? decoder.Text() : std::string_view();
  if (!decoder.ok()) {
    out.resize(before);
    return Corrupt("event");
  }
  for (size_t i = before; i < out.size() && (of_an_order || head.type == EventType::kCustom); ++i) {
    if (head.type == EventType::kCustom) out[i].name = name;
    out[i].order_id = order_id;
  }
  return Status::Ok();
}

std::string EncodeItemSet(const ItemSet& set) {
  std::string out;
  Encoder encoder(out);
  uint64_t last = 0;
  for (const ItemSetEntry& entry : set) {
    encoder.Varint(entry.item.value - last);
    encoder(static_cast<uint8_t>((entry.viewed ? 1 : 0) | (entry.ordered ? 2 : 0)));
    encoder(entry.owned);
    last = entry.item.value;
  }
  return out;
}

Result<ItemSet> DecodeItemSet(std::string_view bytes) {
  constexpr size_t kEntryBytes = 4;  // as most entries have
  Decoder decoder(bytes);
  ItemSet set;
  set.reserve(bytes.size() / kEntryBytes);
  uint64_t last = 0;
  while (!decoder.AtEnd()) {
    ItemSetEntry entry;
    const uint64_t delta = decoder.Varint();
    uint8_t flags = 0;
    decoder(flags);
    decoder(entry.owned);
    if (!decoder.ok() || delta == 0 || flags > 3) return Corrupt("item set");
    last += delta;
    entry.item = ItemId{last};
    entry.viewed = (flags & 1) != 0;
    entry.ordered = (flags & 2) != 0;
    set.push_back(entry);
  }
  return set;
}

ItemSet MergeItemSets(const ItemSet& a, const ItemSet& b) {
  ItemSet out;
  out.reserve(a.size() + b.size());
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (j == b.size() || (i < a.size() && a[i].item < b[j].item)) {
      out.push_back(a[i++]);
    } else if (i == a.size() || b[j].item < a[i].item) {
      out.push_back(b[j++]);
    } else {
      ItemSetEntry entry = a[i++];
      entry.viewed |= b[j].viewed;
      entry.ordered |= b[j].ordered;
      entry.owned += b[j++].owned;
      out.push_back(entry);
    }
  }
  return out;
}

ItemSet MergeItemSets(std::vector<ItemSet> sets) {
  for (size_t step = 1; step < sets.size(); step *= 2) {
    for (size_t i = 0; i + step < sets.size(); i += 2 * step) sets[i] = MergeItemSets(sets[i], sets[i + step]);
  }
  return sets.empty() ? ItemSet{} : std::move(sets.front());
}

ItemSet ItemSetOf(const Event& event) {
  ItemSet out;
  for (const ItemLine& line : event.lines) {
    ItemSetEntry entry{line.item};
    switch (event.type) {
      case EventType::kViewed:
      case EventType::kClicked: entry.viewed = true; break;
      case EventType::kOrdered:
        entry.ordered = true;
        entry.owned = line.quantity;
        break;
      // A refund may be sent with either sign; what came back came back.
      case EventType::kRefunded:
      case EventType::kCancelled: entry.owned = line.quantity > 0 ? -line.quantity : line.quantity; break;
      default: continue;
    }
    out = MergeItemSets(out, {entry});
  }
  return out;
}

ContactEntry ContactEntryOf(const Event& event) {
  ContactEntry entry;
  entry.event = event.id;
  entry.type = event.type;
  entry.time = event.time;
  entry.contact_id = event.order_id;
  entry.channel = event.channel;
  entry.place = event.store_id;
  entry.facts = event.contact;
  if (!event.lines.empty()) entry.item = event.lines.front().item;
  return entry;
}

std::string Seal(std::string_view plain) {
  std::string out(1, static_cast<char>(kSealVersion << 4));
  out.push_back(0);  // key slot: none yet
  out.append(plain);
  return out;
}

Result<std::string_view> Unseal(std::string_view sealed) {
  if (sealed.size() < 2 || static_cast<uint8_t>(sealed[0]) >> 4 != kSealVersion) return Corrupt("header");
  if ((sealed[0] & 0x0f) != 0) return Status::FailedPrecondition("a value is sealed with a cipher this version lacks");
  if (sealed[1] != 0) return Corrupt("header");
  return sealed.substr(2);
}

}  // namespace rapport
