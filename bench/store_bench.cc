// The store: durable appends by many writers, bulk import, reads; each beside RocksDB used bare on the same keys.
//   AppendCommitter / AppendWriteGroups   one event per request, T writers: one committer thread against RocksDB's own
//                                         write groups (the decision of docs/DATA.md, measured)
//   ImportStore / ImportBare              batches of 4,096 events, one fsync each, against RocksDB writing the same
//                                         keys and values in the same batches
//   HistoryRead, ItemSetRead, FindCustomer   what a page view reads when its customer is not cached
// Run with --benchmark_enable_random_interleaving=true --benchmark_repetitions=5 and compare medians (make bench).
#include <benchmark/benchmark.h>
#include <rocksdb/db.h>

#include <mutex>

#include "base/temp_folder.h"
#include "data/codec.h"
#include "data/keys.h"
#include "data/store.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'700'000'000'000};
constexpr int kImportEvents = 20 * 4096;

AppendEvent MakeView(uint64_t customer, uint64_t message, uint64_t item) {
  AppendEvent op;
  op.customer.external_id = std::to_string(customer);
  op.event.type = EventType::kViewed;
  op.event.name = "Product Viewed";
  op.event.message_id = "message-" + std::to_string(message);
  op.event.time = op.event.received_at = kNow;
  op.lines = {{std::to_string(item), 1, std::nullopt}};
  return op;
}

// ---- many writers, one event each ----

struct SharedStore {
  std::unique_ptr<TempFolder> folder;
  std::unique_ptr<Store> store;
  std::unique_ptr<rocksdb::DB> bare;
  std::atomic<uint64_t> next{0};
};
// Google Benchmark starts the threads itself: what they share must stand outside of them.
SharedStore& Shared() {
  static SharedStore shared;
  return shared;
}

void AppendCommitter(benchmark::State& state) {
  SharedStore& shared = Shared();
  if (state.thread_index() == 0) {
    shared.folder = std::make_unique<TempFolder>();
    shared.store = Store::Open(shared.folder->path(), StoreOptions{}).Take();
    shared.next = 0;
  }
  for (auto _ : state) {
    const uint64_t n = shared.next++;
    std::vector<Operation> operations;
    operations.push_back(MakeView(n % 1000, n, n % 500));
    const auto results = shared.store->ApplyAndWait(std::move(operations));
    if (!results.ok() || (*results)[0].outcome != Outcome::kCreated) state.SkipWithError("an event was not appended");
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) {
    shared.store.reset();
    shared.folder.reset();
  }
}
BENCHMARK(AppendCommitter)->Threads(1)->Threads(16)->Threads(64)->UseRealTime();

// The same bytes without numbering, duplicate check or catalogue: RocksDB groups the writers itself.
void AppendWriteGroups(benchmark::State& state) {
  SharedStore& shared = Shared();
  if (state.thread_index() == 0) {
    shared.folder = std::make_unique<TempFolder>();
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* raw = nullptr;
    if (!rocksdb::DB::Open(options, shared.folder->path() + "/db", &raw).ok()) state.SkipWithError("cannot open");
    shared.bare.reset(raw);
    shared.next = 0;
  }
  rocksdb::WriteOptions write;
  write.sync = true;
  for (auto _ : state) {
    const uint64_t n = shared.next++;
    const AppendEvent op = MakeView(n % 1000, n, n % 500);
    Event event = op.event;
    event.id = EventId{n + 1};
    event.customer = CustomerId{n % 1000 + 1};
    event.lines = {{ItemId{n % 500 + 1}, 1, std::nullopt}};
    rocksdb::WriteBatch batch;
    (void)batch.Put(keys::Pair(event.customer.value, event.id.value), Seal(EncodeRecord(event)));
    (void)batch.Put(keys::Message(event.customer, keys::MessageIdentity("", event.message_id)),
                    keys::BigEndian(event.id.value));
    (void)batch.Put("i" + keys::BigEndian(event.customer.value), Seal(EncodeItemSet(ItemSetOf(event))));
    (void)batch.Put("sequence", keys::BigEndian(n));
    if (!shared.bare->Write(write, &batch).ok()) state.SkipWithError("cannot write");
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) {
    shared.bare.reset();
    shared.folder.reset();
  }
}
BENCHMARK(AppendWriteGroups)->Threads(1)->Threads(16)->Threads(64)->UseRealTime();

// ---- bulk import ----

void ImportStore(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto folder = std::make_unique<TempFolder>();
    auto store = Store::Open(folder->path(), StoreOptions{}).Take();
    state.ResumeTiming();
    for (int begin = 0; begin < kImportEvents; begin += 4096) {
      std::vector<Operation> operations;
      for (int n = begin; n < begin + 4096; ++n) {
        operations.push_back(
            MakeView(static_cast<uint64_t>(n / 20), static_cast<uint64_t>(n), static_cast<uint64_t>(n * 7 % 5000)));
      }
      if (!store->ApplyAndWait(std::move(operations)).ok()) state.SkipWithError("import failed");
    }
    state.PauseTiming();
    if (store->statistics().events != kImportEvents) state.SkipWithError("events are missing");
    store.reset();
    folder.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kImportEvents);
}
BENCHMARK(ImportStore)->Unit(benchmark::kMillisecond)->UseRealTime();

struct BareEvent {
  std::string event_key, event_value, message_key, message_value, set_key, set_value;
};

void ImportBare(benchmark::State& state) {
  std::vector<BareEvent> events;
  for (uint64_t n = 0; n < static_cast<uint64_t>(kImportEvents); ++n) {
    Event event = MakeView(n / 20, n, n * 7 % 5000).event;
    event.id = EventId{n + 1};
    event.customer = CustomerId{n / 20 + 1};
    event.lines = {{ItemId{n * 7 % 5000 + 1}, 1, std::nullopt}};
    events.push_back({keys::Pair(event.customer.value, event.id.value), Seal(EncodeRecord(event)),
                      keys::Message(event.customer, keys::MessageIdentity("", event.message_id)),
                      keys::BigEndian(event.id.value), keys::BigEndian(event.customer.value),
                      Seal(EncodeItemSet(ItemSetOf(event)))});
  }
  for (auto _ : state) {
    state.PauseTiming();
    auto folder = std::make_unique<TempFolder>();
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* raw = nullptr;
    (void)rocksdb::DB::Open(options, folder->path() + "/db", &raw);
    std::unique_ptr<rocksdb::DB> db(raw);
    rocksdb::ColumnFamilyHandle *message = nullptr, *set = nullptr;
    (void)db->CreateColumnFamily({}, "message", &message);
    (void)db->CreateColumnFamily({}, "item_set", &set);
    state.ResumeTiming();
    rocksdb::WriteOptions write;
    write.sync = true;
    for (size_t begin = 0; begin < events.size(); begin += 4096) {
      rocksdb::WriteBatch batch;
      for (size_t n = begin; n < begin + 4096; ++n) {
        (void)batch.Put(events[n].event_key, events[n].event_value);
        (void)batch.Put(message, events[n].message_key, events[n].message_value);
        (void)batch.Put(set, events[n].set_key, events[n].set_value);
      }
      if (!db->Write(write, &batch).ok()) state.SkipWithError("cannot write");
    }
    state.PauseTiming();
    (void)db->DestroyColumnFamilyHandle(message);
    (void)db->DestroyColumnFamilyHandle(set);
    db.reset();
    folder.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kImportEvents);
}
BENCHMARK(ImportBare)->Unit(benchmark::kMillisecond)->UseRealTime();

// ---- reads ----

class Reads : public benchmark::Fixture {
 public:
  void SetUp(benchmark::State& state) override {
    folder_ = std::make_unique<TempFolder>();
    store_ = Store::Open(folder_->path(), StoreOptions{}).Take();
    std::vector<Operation> operations;
    for (uint64_t n = 0; n < static_cast<uint64_t>(state.range(0)); ++n) operations.push_back(MakeView(7, n, n % 3000));
    if (!store_->ApplyAndWait(std::move(operations)).ok()) state.SkipWithError("cannot write");
    customer_ = *store_->FindCustomer({CustomerNamespace::kUser, "7"});
    if (store_->ReadHistory(customer_)->size() != static_cast<size_t>(state.range(0)))
      state.SkipWithError("wrong history");
  }
  void TearDown(benchmark::State&) override {
    store_.reset();
    folder_.reset();
  }

 protected:
  std::unique_ptr<TempFolder> folder_;
  std::unique_ptr<Store> store_;
  CustomerId customer_;
};

BENCHMARK_DEFINE_F(Reads, History)(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(store_->ReadHistory(customer_)->size());
}
BENCHMARK_REGISTER_F(Reads, History)->Arg(20)->Arg(200)->Arg(1000);
BENCHMARK_DEFINE_F(Reads, ItemSet)(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(store_->ReadItemSet(customer_)->size());
}
BENCHMARK_REGISTER_F(Reads, ItemSet)->Arg(200);
BENCHMARK_DEFINE_F(Reads, FindCustomer)(benchmark::State& state) {
  const CustomerRef ref{CustomerNamespace::kUser, "7"};
  for (auto _ : state) benchmark::DoNotOptimize(store_->FindCustomer(ref)->value);
}
BENCHMARK_REGISTER_F(Reads, FindCustomer)->Arg(20);

}  // namespace
}  // namespace rapport
