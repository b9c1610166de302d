// What is understood of contacts' events: names of every channel, machines, and what the ledger keeps.
#include <gtest/gtest.h>

#include "data/io/contact_json.h"
#include "data/io/json_text.h"
#include "data/io/segment_json.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'700'000'000'000};

RowOperations Read(const std::string& text) {
  Result<RowOperations> row = SegmentFromJson(*ParseJson(text), DefaultEventTable(), {kNow, "key"});
  EXPECT_TRUE(row.ok()) << row.status().ToString();
  return row.ok() ? row.Take() : RowOperations{};
}

Event EventOf(const std::string& text) { return std::get<AppendEvent>(Read(text).row).event; }

std::string Click(const std::string& more) {
  return R"({"userId":"7","event":"Email Link Clicked","messageId":"m","properties":{"contact_id":"d-1","link_url":"https://shop/a")" +
         more + "}}";
}

TEST(ContactJsonTest, EveryChannelSaysTheSameThingInItsOwnWords) {
  const Event email = EventOf(Click(R"(,"purpose":"service","itemId":"guide")"));
  EXPECT_EQ(email.type, EventType::kLinkClicked);
  EXPECT_EQ(email.channel, "email");
  EXPECT_EQ(email.order_id, "d-1");
  EXPECT_EQ(email.contact.link, "https://shop/a");
  EXPECT_EQ(email.contact.purpose, "service");
  EXPECT_EQ(EventOf(R"({"userId":"7","event":"Push Notification Tapped","messageId":"m"})").type, EventType::kOpened);
  EXPECT_EQ(EventOf(R"({"userId":"7","event":"Call Answered","messageId":"m"})").channel, "call");
  EXPECT_EQ(EventOf(R"({"userId":"7","event":"SMS Sent","messageId":"m","properties":{"channel":"sms-b"}})").channel,
            "sms-b");
  EXPECT_EQ(
      EventOf(R"({"userId":"7","event":"Complaint Opened","messageId":"m","properties":{"case_id":"c-9"}})").order_id,
      "c-9");
}

TEST(ContactJsonTest, MachinesNeverCountAsPersons) {
  EXPECT_EQ(EventOf(Click(R"x(,"user_agent":"Mozilla/5.0 (compatible; Barracuda Sentinel)")x")).type,
            EventType::kLinkClickedByMachine);
  EXPECT_EQ(EventOf(Click(R"(,"method":"HEAD")")).type, EventType::kLinkClickedByMachine);
  EXPECT_EQ(EventOf(Click(R"(,"headers":{"X-Purpose":"preview"})")).type, EventType::kLinkClickedByMachine);
  EXPECT_EQ(
      EventOf(R"({"userId":"7","event":"Email Opened","messageId":"m","context":{"userAgent":"python-requests/2.31"}})")
          .type,
      EventType::kOpenedByMachine);
  // People's browsers and mail programs, and the proxy that fetches when a person opens.
  for (const char* agent : {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/119.0 Safari/537.36",
                            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
                            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
                            "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.16827; Pro)"}) {
    EXPECT_FALSE(IsMachineAgent(agent)) << agent;
  }
}

TEST(ContactJsonTest, TheLedgerHearsOfUnsubscriptionsSpamAndTopics) {
  const auto consent = [](const std::string& text) {
    const RowOperations row = Read(text);
    EXPECT_EQ(row.after.size(), 1u);
    return row.after.empty() ? Consent{} : std::get<RecordConsent>(row.after[0]).consent;
  };
  Consent one =
      consent(R"({"userId":"7","event":"Email Unsubscribed","messageId":"m","properties":{"contact_id":"d-1"}})");
  EXPECT_EQ(one.channel, "email");
  EXPECT_EQ(one.purpose, "marketing");
  EXPECT_FALSE(one.given);
  EXPECT_EQ(one.proof, "d-1");
  one = consent(R"({"userId":"7","event":"Email Unsubscribed","messageId":"m","properties":{"topic":"cooking"}})");
  EXPECT_EQ(one.purpose, "topic:cooking");
  one = consent(R"({"userId":"7","event":"SMS Marked as Spam","messageId":"m"})");
  EXPECT_EQ(one.channel, "sms");
  // A machine that follows the link of an unsubscription unsubscribes: the safe side.
  one = consent(R"({"userId":"7","event":"Email Unsubscribed","messageId":"m","context":{"userAgent":"curl/8"}})");
  EXPECT_FALSE(one.given);
  EXPECT_TRUE(Read(Click("")).after.empty());
}

TEST(ContactJsonTest, ExportGivesTheContactBack) {
  const Event event = EventOf(Click(R"(,"purpose":"service","headers":{"Purpose":"prefetch"})"));
  AppendEvent append;
  append.customer = {CustomerNamespace::kUser, "7"};
  append.event = event;
  const Result<AppendEvent> back =
      TrackFromJson(*EventToJson(append), DefaultEventTable(), {kNow, "key", RecordKey::kTrusted});
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->event.type, EventType::kLinkClickedByMachine);
  EXPECT_EQ(back->event.contact, event.contact);
  EXPECT_EQ(back->event.order_id, "d-1");
}

}  // namespace
}  // namespace rapport
