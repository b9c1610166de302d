// Records survive the round trip; corrupt bytes give an error, never a crash or a wild allocation.
#include "data/codec.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/operations.h"

namespace rapport {
namespace {

Event SampleEvent() {
  Event event;
  event.id = EventId{9};
  event.customer = CustomerId{300};
  event.type = EventType::kOrdered;
  event.time = {1'300'000'000'123};
  event.received_at = {1'300'000'000'999};
  event.name = "Order Completed";
  event.message_id = "m-1";
  event.source = "key";
  event.order_id = "536365";
  event.value = 2.5;
  event.lines = {{ItemId{5}, 6, Decimal{255, 2}}, {ItemId{700}, -1, std::nullopt}};
  event.properties = "{\"a\":1}";
  return event;
}

Item SampleItem() {
  Item item;
  item.id = ItemId{77};
  item.external_id = "85123A";
  item.title = "WHITE HANGING HEART";
  item.categories = {"home", "hearts"};
  item.price = Decimal{-5, 9};
  item.stock = -3;
  item.published_at = Timestamp{-1};
  item.attributes = {{"b", true}, {"n", -1.5}, {"t", std::string("x")}, {"l", std::vector<std::string>{"p", "q"}}};
  item.embedding = {0.5f, -1.0f};
  return item;
}

TEST(CodecTest, RecordsSurviveTheRoundTrip) {
  const std::string event = EncodeRecord(SampleEvent()), item = EncodeRecord(SampleItem());
  EXPECT_EQ(EncodeRecord(*DecodeRecord<Event>(event)), event);
  EXPECT_EQ(EncodeRecord(*DecodeRecord<Item>(item)), item);
  EXPECT_EQ(DecodeRecord<Item>(item)->attributes, SampleItem().attributes);
}

TEST(CodecTest, HistoryReadsTheHeadOfAnEvent) {
  std::vector<HistoryEntry> history;
  ASSERT_TRUE(DecodeHistory(EncodeRecord(SampleEvent()), EventId{9}, history).ok());
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[1].item, ItemId{700});
  EXPECT_EQ(history[1].quantity, -1);
  EXPECT_EQ(history[0].order_id, "536365");
  EXPECT_EQ(history[0].time, SampleEvent().time);
}

TEST(CodecTest, AnEventThatIsCutLeavesTheHistoryAsItWas) {
  const std::string bytes = EncodeRecord(SampleEvent());
  std::vector<HistoryEntry> history;
  size_t refused = 0;
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    const size_t before = history.size();
    if (DecodeHistory(std::string_view(bytes).substr(0, cut), EventId{1}, history).ok()) continue;
    ++refused;
    EXPECT_EQ(history.size(), before) << cut;
  }
  EXPECT_GT(refused, 10u);
}

TEST(CodecTest, EveryCutAndManyFlipsAreRefusedOrDecodeToSomething) {
  const std::string bytes = EncodeRecord(SampleEvent());
  // One byte less is a record of format 2, which knew no contacts.
  for (size_t cut = 0; cut + 1 < bytes.size(); ++cut)
    EXPECT_FALSE(DecodeRecord<Event>(bytes.substr(0, cut)).ok()) << cut;
  EXPECT_EQ(DecodeRecord<Event>(bytes.substr(0, bytes.size() - 1))->contact, ContactFacts{});
  Random random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string broken = bytes;
    broken[random.Below(broken.size())] ^= static_cast<char>(1u << random.Below(8));
    const Result<Event> event = DecodeRecord<Event>(broken);  // must not crash; the store's own checksums catch flips
    EXPECT_TRUE(!event.ok() || event->lines.size() <= bytes.size());
  }
}

TEST(CodecTest, ItemSetUnionIsCommutativeAssociativeAndSurvivesTheRoundTrip) {
  Random random(2);
  const auto random_set = [&] {
    ItemSet set;
    uint64_t id = 0;
    for (size_t i = random.Below(20); i > 0; --i) {
      id += 1 + random.Below(100);
      set.push_back(
          {ItemId{id}, random.Below(2) == 1, random.Below(2) == 1, static_cast<int64_t>(random.Below(9)) - 4});
    }
    return set;
  };
  for (int i = 0; i < 500; ++i) {
    const ItemSet a = random_set(), b = random_set(), c = random_set();
    EXPECT_EQ(EncodeItemSet(MergeItemSets(a, b)), EncodeItemSet(MergeItemSets(b, a)));
    EXPECT_EQ(EncodeItemSet(MergeItemSets(a, MergeItemSets(b, c))),
              EncodeItemSet(MergeItemSets(MergeItemSets(a, b), c)));
    EXPECT_EQ(EncodeItemSet(*DecodeItemSet(EncodeItemSet(a))), EncodeItemSet(a));
  }
}

TEST(CodecTest, SealedValuesSayWhatTheyAre) {
  const std::string sealed = Seal("plain");
  EXPECT_EQ(*Unseal(sealed), "plain");
  EXPECT_FALSE(Unseal("plain").ok());
  EXPECT_FALSE(Unseal("").ok());
  std::string newer = sealed;
  newer[0] |= 1;
  EXPECT_EQ(Unseal(newer).status().code(), StatusCode::kFailedPrecondition);
}

TEST(CodecTest, OperationsTravel) {
  std::vector<Operation> operations;
  PutItem put;
  put.item = SampleItem();
  operations.push_back(put);
  AppendEvent append;
  append.customer = {CustomerNamespace::kAnonymous, std::string("a\0b", 3)};
  append.event = SampleEvent();
  append.lines = {{"x", 2, Decimal{1, 0}}};
  operations.push_back(append);
  operations.push_back(ActivateModel{"content", 3});
  const std::string bytes = EncodeOperations(operations);
  const auto decoded = DecodeOperations(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(EncodeOperations(*decoded), bytes);
  EXPECT_EQ(std::get<AppendEvent>((*decoded)[1]).customer, append.customer);
  for (size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(DecodeOperations(bytes.substr(0, cut)).ok());
  Random random(3);
  for (int i = 0; i < 5000; ++i) {
    std::string broken = bytes;
    broken[random.Below(broken.size())] = static_cast<char>(random.NextU64());
    (void)DecodeOperations(broken).ok();  // must not crash
  }
}

}  // namespace
}  // namespace rapport
