// Contacts put together from their events: outcomes find their contact, machines never count as persons.
#include "engine/contact/contact_log.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace rapport {
namespace {

constexpr Timestamp kSent{1'700'000'000'000};

ContactEntry Entry(EventType type, int64_t after_ms, const std::string& contact, const std::string& link = "") {
  static uint64_t next = 1;
  ContactEntry entry;
  entry.event = EventId{next++};
  entry.type = type;
  entry.time = {kSent.ms + after_ms};
  entry.contact_id = contact;
  entry.channel = "email";
  entry.facts.link = link;
  return entry;
}

TEST(ContactLogTest, OutcomesFindTheirContact) {
  const ContactEntry entries[] = {Entry(EventType::kSent, 0, "a"), Entry(EventType::kSent, kDayMs, "b"),
                                  Entry(EventType::kLinkClicked, kDayMs + kHourMs, "a", "x"),  // by its id
                                  Entry(EventType::kOpened, kDayMs + 2 * kHourMs, ""),  // the last one sent before it
                                  Entry(EventType::kOpened, kDayMs + 8 * kDayMs, "")};  // too late for any
  const ContactLog log = ReadContactLog(entries);
  ASSERT_EQ(log.contacts.size(), 2u);
  EXPECT_TRUE(log.contacts[0].clicked);
  EXPECT_FALSE(log.contacts[0].opened);
  EXPECT_TRUE(log.contacts[1].opened);
  EXPECT_FALSE(log.contacts[1].responded()) << "an open is no answer";
}

TEST(ContactLogTest, TimingGivesMachinesAway) {
  const auto log = [](std::initializer_list<ContactEntry> entries) {
    return ReadContactLog(std::vector<ContactEntry>(entries));
  };
  // All links within seconds of each other, however late.
  ContactLog one = log({Entry(EventType::kSent, 0, "a"), Entry(EventType::kLinkClicked, kHourMs, "a", "x"),
                        Entry(EventType::kLinkClicked, kHourMs + 900, "a", "y"),
                        Entry(EventType::kLinkClicked, kHourMs + 1800, "a", "z")});
  EXPECT_FALSE(one.contacts[0].clicked);
  EXPECT_EQ(one.contacts[0].machine_clicks, 3u);
  // Sooner than anybody reads.
  one = log({Entry(EventType::kSent, 0, "a"), Entry(EventType::kDelivered, kHourMs, "a"),
             Entry(EventType::kOpened, kHourMs + 700, "a")});
  EXPECT_FALSE(one.contacts[0].opened);
  // A person may click two links, and one link often.
  one = log({Entry(EventType::kSent, 0, "a"), Entry(EventType::kLinkClicked, kHourMs, "a", "x"),
             Entry(EventType::kLinkClicked, kHourMs + 4000, "a", "y"),
             Entry(EventType::kLinkClicked, kHourMs + 5000, "a", "x")});
  EXPECT_TRUE(one.contacts[0].clicked);
  // Known by its agent.
  one = log({Entry(EventType::kSent, 0, "a"), Entry(EventType::kLinkClickedByMachine, kHourMs, "a", "x")});
  EXPECT_FALSE(one.contacts[0].responded());
}

TEST(ContactLogTest, PlannedContactsCountUntilTheyAreGivenUp) {
  ContactEntry planned = Entry(EventType::kContactPlanned, 0, "a");
  planned.facts.at = Timestamp{kSent.ms + kDayMs};
  ContactLog log = ReadContactLog(std::vector<ContactEntry>{planned});
  ASSERT_EQ(log.contacts.size(), 1u);
  EXPECT_TRUE(log.contacts[0].planned);
  EXPECT_EQ(log.contacts[0].time.ms, kSent.ms + kDayMs);
  log = ReadContactLog(std::vector<ContactEntry>{planned, Entry(EventType::kContactCancelled, kHourMs, "a")});
  EXPECT_TRUE(log.contacts.empty());
  // Sent is sent, whatever was cancelled, and at its own time.
  log = ReadContactLog(std::vector<ContactEntry>{planned, Entry(EventType::kContactCancelled, kHourMs, "a"),
                                                 Entry(EventType::kSent, 2 * kDayMs, "a")});
  ASSERT_EQ(log.contacts.size(), 1u);
  EXPECT_FALSE(log.contacts[0].planned);
  EXPECT_EQ(log.contacts[0].time.ms, kSent.ms + 2 * kDayMs);
}

TEST(ContactLogTest, ComplaintsAreOpenUntilTheirOwnCaseIsClosed) {
  std::vector<ContactEntry> entries{Entry(EventType::kComplaintOpened, 0, "case-1"),
                                    Entry(EventType::kComplaintOpened, 1000, "case-2"),
                                    Entry(EventType::kComplaintClosed, 2000, "case-1")};
  EXPECT_EQ(ReadContactLog(entries).open_complaints, 1u);
  entries.push_back(Entry(EventType::kComplaintClosed, 3000, "case-2"));
  EXPECT_EQ(ReadContactLog(entries).open_complaints, 0u);
  entries.push_back(Entry(EventType::kComplaintOpened, 4000, "case-1"));
  EXPECT_EQ(ReadContactLog(entries).open_complaints, 1u) << "opened again";
}

TEST(ContactLogTest, AListThatWasCutSaysSo) {
  const std::vector<ContactEntry> full(limits::kContactEntriesMax, Entry(EventType::kSent, 0, ""));
  EXPECT_FALSE(ReadContactLog(full).complete);
  EXPECT_TRUE(ReadContactLog(std::span(full).first(10)).complete);
}

}  // namespace
}  // namespace rapport
