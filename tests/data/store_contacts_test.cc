// Contacts are kept once more by themselves, and settings survive.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "base/temp_folder.h"
#include "data/store.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'300'000'000'000};

CustomerRef User(const std::string& id) { return {CustomerNamespace::kUser, id}; }
CustomerRef Anonymous(const std::string& id) { return {CustomerNamespace::kAnonymous, id}; }

AppendEvent Told(const CustomerRef& customer, const std::string& message, EventType type) {
  AppendEvent op;
  op.customer = customer;
  op.event.type = type;
  op.event.message_id = message;
  op.event.time = op.event.received_at = kNow;
  op.event.order_id = "contact-" + message;
  op.event.channel = "email";
  op.event.contact.purpose = "marketing";
  op.lines = {{"item", 1, std::nullopt}};
  return op;
}

TEST(StoreContactsTest, ContactsAreFoundHoweverManyEventsCameAfter) {
  TempFolder folder;
  auto store = Store::Open(folder.path(), StoreOptions{}).Take();
  std::vector<Operation> operations{Told(User("u"), "first", EventType::kSent)};
  for (int i = 0; i < 1500; ++i) operations.push_back(Told(User("u"), std::to_string(i), EventType::kViewed));
  operations.push_back(Told(Anonymous("a"), "of the visitor", EventType::kSent));
  operations.push_back(LinkCustomers{Anonymous("a"), User("u"), kNow});
  ASSERT_TRUE(store->ApplyAndWait(std::move(operations)).ok());
  const CustomerId id = *store->FindCustomer(User("u"));
  const std::vector<ContactEntry> contacts = *store->ReadContacts(id);
  ASSERT_EQ(contacts.size(), 2u);
  EXPECT_EQ(contacts[0].contact_id, "contact-first");
  EXPECT_EQ(contacts[0].channel, "email");
  EXPECT_EQ(contacts[0].facts.purpose, "marketing");
  EXPECT_EQ(contacts[1].contact_id, "contact-of the visitor");
  // Broken twin: rules that read the newest events only would not see the first one.
  bool seen = false;
  const std::vector<Event> newest = *store->ReadEvents(id, limits::kHistoryEventsMax);
  for (const Event& event : newest) seen |= event.order_id == "contact-first";
  EXPECT_FALSE(seen);
}

TEST(StoreContactsTest, SettingsSurviveARestartAndTheNewestCounts) {
  TempFolder folder;
  auto store = Store::Open(folder.path(), StoreOptions{}).Take();
  EXPECT_EQ(store->GetSetting("channels"), std::nullopt);
  ASSERT_TRUE(store->ApplyAndWait({PutSetting{"channels", "one"}, PutSetting{"channels", "two"}}).ok());
  store.reset();
  store = Store::Open(folder.path(), StoreOptions{}).Take();
  EXPECT_EQ(store->GetSetting("channels"), "two");
}

}  // namespace
}  // namespace rapport
