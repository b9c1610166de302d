// RocksDB bare beside the store: the very keys and values that a Rapport store holds of its events, written again by
// RocksDB alone, without reading, checking or numbering anything.
//
//   rapport_bare_store STORE append SCRATCH EVENTS BATCH   the newest EVENTS in the order they came, BATCH events a
//   write, each synced rapport_bare_store STORE import SCRATCH EVENTS 0       the newest EVENTS sorted by key into one
//   file a family, taken in
//
// Per event: event, message and item-set entries, as data/store writes them. Prints one line of JSON:
//   {"events", "bytes", "seconds"}; ends with 3 when what it wrote does not read back.
#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "data/codec.h"
#include "data/keys.h"
#include "data/store.h"

namespace {

using rapport::ItemSet;
using Clock = std::chrono::steady_clock;

struct BareEvent {
  uint64_t id = 0;
  std::string event_key, event_value, message_key, set_key, set_value;
};

[[noreturn]] void Fail(const std::string& what, int code = 1) {
  std::fprintf(stderr, "rapport_bare_store: %s\n", what.c_str());
  std::exit(code);
}

void Check(const rocksdb::Status& status, const char* what) {
  if (!status.ok()) Fail(std::string(what) + ": " + status.ToString());
}

uint64_t IdOf(std::string_view bytes) {
  uint64_t id = 0;
  for (const char byte : bytes) id = id << 8 | static_cast<unsigned char>(byte);
  return id;
}

BareEvent Read(std::string key, std::string value) {
  BareEvent out;
  out.id = IdOf(std::string_view(key).substr(8));
  const auto bytes = rapport::Unseal(value);
  if (!bytes.ok()) Fail(bytes.status().ToString());
  const auto event = rapport::DecodeRecord<rapport::Event>(*bytes);
  if (!event.ok()) Fail(event.status().ToString());
  out.set_key = key.substr(0, 8);
  out.set_value = rapport::Seal(rapport::EncodeItemSet(rapport::ItemSetOf(*event)));
  out.event_key = std::move(key);
  out.event_value = std::move(value);
  return out;
}

// The newest `count` events of a store, in the order they came.
std::vector<BareEvent> ReadStore(const std::string& folder, size_t count) {
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::DB* raw = nullptr;
  rocksdb::DBOptions options;
  options.track_and_verify_wals_in_manifest = true;  // as the store: without it RocksDB would have to write
  Check(rocksdb::DB::OpenForReadOnly(options, folder + "/db", {{"default", {}}, {"event", {}}, {"message", {}}},
                                     &families, &raw),
        "cannot open the store");
  const std::unique_ptr<rocksdb::DB> db(raw);
  std::vector<BareEvent> events;
  std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}, families[1]));
  for (at->SeekToFirst(); at->Valid(); at->Next()) events.push_back(Read(at->key().ToString(), at->value().ToString()));
  Check(at->status(), "cannot read events");
  std::sort(events.begin(), events.end(), [](const BareEvent& a, const BareEvent& b) { return a.id < b.id; });
  if (events.size() < count) Fail("the store holds fewer events than that");
  events.erase(events.begin(), events.end() - static_cast<ptrdiff_t>(count));
  at.reset(db->NewIterator({}, families[2]));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    const uint64_t id = IdOf(std::string_view(at->value().data(), at->value().size()));
    const auto event =
        std::lower_bound(events.begin(), events.end(), id, [](const BareEvent& e, uint64_t i) { return e.id < i; });
    if (event != events.end() && event->id == id) event->message_key = at->key().ToString();
  }
  Check(at->status(), "cannot read messages");
  at.reset();
  for (rocksdb::ColumnFamilyHandle* family : families) (void)db->DestroyColumnFamilyHandle(family);
  return events;
}

struct Bare {
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle *message = nullptr, *set = nullptr;
  explicit Bare(const std::string& folder) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.error_if_exists = true;
    rocksdb::DB* raw = nullptr;
    Check(rocksdb::DB::Open(options, folder, &raw), "cannot make the scratch database");
    db.reset(raw);
    Check(db->CreateColumnFamily({}, "message", &message), "message");
    Check(db->CreateColumnFamily({}, "item_set", &set), "item_set");
  }
  ~Bare() {
    (void)db->DestroyColumnFamilyHandle(message);
    (void)db->DestroyColumnFamilyHandle(set);
  }
};

void Append(Bare& bare, const std::vector<BareEvent>& events, size_t batch_events) {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  for (size_t begin = 0; begin < events.size(); begin += batch_events) {
    rocksdb::WriteBatch batch;
    for (size_t n = begin; n < std::min(events.size(), begin + batch_events); ++n) {
      (void)batch.Put(events[n].event_key, events[n].event_value);
      (void)batch.Put(bare.message, events[n].message_key, rapport::keys::BigEndian(events[n].id));
      (void)batch.Put(bare.set, events[n].set_key, events[n].set_value);
    }
    Check(bare.db->Write(synced, &batch), "cannot write");
  }
}

void TakeIn(Bare& bare, rocksdb::ColumnFamilyHandle* family, const std::string& path,
            std::vector<std::pair<std::string_view, std::string>> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  rocksdb::SstFileWriter writer{rocksdb::EnvOptions(), rocksdb::Options()};
  Check(writer.Open(path), "cannot make a sorted file");
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i + 1 < entries.size() && entries[i].first == entries[i + 1].first) continue;  // the newest of equal keys
    Check(writer.Put(std::string(entries[i].first), entries[i].second), "cannot write a sorted file");
  }
  Check(writer.Finish(), "cannot end a sorted file");
  Check(bare.db->IngestExternalFile(family, {path}, rocksdb::IngestExternalFileOptions()), "cannot take a file in");
}

void Import(Bare& bare, const std::vector<BareEvent>& events, const std::string& scratch) {
  std::vector<std::pair<std::string_view, std::string>> entries;
  for (const BareEvent& event : events) entries.emplace_back(event.event_key, event.event_value);
  TakeIn(bare, bare.db->DefaultColumnFamily(), scratch + "/event.sst", std::move(entries));
  entries.clear();
  for (const BareEvent& event : events) entries.emplace_back(event.message_key, rapport::keys::BigEndian(event.id));
  TakeIn(bare, bare.message, scratch + "/message.sst", std::move(entries));
  entries.clear();
  for (const BareEvent& event : events) entries.emplace_back(event.set_key, event.set_value);
  TakeIn(bare, bare.set, scratch + "/set.sst", std::move(entries));
}

void CheckAnswer(Bare& bare, const std::vector<BareEvent>& events) {
  for (size_t n = 0; n < events.size(); n += 97) {
    std::string event, message;
    Check(bare.db->Get({}, events[n].event_key, &event), "an event is missing");
    Check(bare.db->Get({}, bare.message, events[n].message_key, &message), "a message is missing");
    if (event != events[n].event_value || message != rapport::keys::BigEndian(events[n].id)) Fail("wrong bytes", 3);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) Fail("STORE append|import SCRATCH EVENTS BATCH", 2);
  const std::string mode = argv[2], scratch = argv[3];
  const std::vector<BareEvent> events = ReadStore(argv[1], std::strtoull(argv[4], nullptr, 10));
  uint64_t bytes = 0;
  for (const BareEvent& e : events) {
    bytes +=
        e.event_key.size() + e.event_value.size() + e.message_key.size() + 8 + e.set_key.size() + e.set_value.size();
  }
  Bare bare(scratch + "/db");
  const auto started = Clock::now();
  if (mode == "append") {
    Append(bare, events, std::max<size_t>(1, std::strtoull(argv[5], nullptr, 10)));
  } else {
    Import(bare, events, scratch);
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
  CheckAnswer(bare, events);
  std::printf("{\"events\": %zu, \"bytes\": %llu, \"seconds\": %.6f}\n", events.size(),
              static_cast<unsigned long long>(bytes), seconds);
  return 0;
}
