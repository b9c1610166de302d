#include "engine/contact/contact_log.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/limits.h"

namespace rapport {
namespace {

// A contact in the making, with what its opens and clicks looked like.
struct Draft {
  Contact contact;
  bool cancelled = false;
  std::optional<Timestamp> sent_at, delivered_at;
  struct Mark {
    EventType type;
    Timestamp time;
    std::string link;
  };
  std::vector<Mark> marks;
};

bool IsOutcome(EventType type) {
  return type != EventType::kSent && type != EventType::kContactPlanned && type != EventType::kContactCancelled &&
         type != EventType::kComplaintOpened && type != EventType::kComplaintClosed;
}

// Collects drafts; the order of events is that of their times, since senders report late.
class Collector {
 public:
  void Take(const ContactEntry& entry) {
    Draft* draft = Find(entry);
    if (draft == nullptr) return;
    Contact& contact = draft->contact;
    if (contact.channel.empty()) contact.channel = entry.channel;
    if (contact.place.empty()) contact.place = entry.place;
    if (contact.purpose.empty()) contact.purpose = entry.facts.purpose;
    if (!contact.item) contact.item = entry.item;
    if (entry.facts.affinity) contact.affinity = static_cast<float>(*entry.facts.affinity);
    switch (entry.type) {
      case EventType::kContactPlanned: contact.time = entry.facts.at.value_or(entry.time); break;
      case EventType::kContactCancelled: draft->cancelled = true; break;
      case EventType::kSent: draft->sent_at = entry.time; break;
      case EventType::kDelivered:
        draft->delivered_at = entry.time;
        contact.delivered = true;
        break;
      case EventType::kBounced: contact.bounced = true; break;
      case EventType::kReplied: contact.replied = true; break;
      case EventType::kAnswered: contact.answered = true; break;
      case EventType::kVisited: contact.visited = true; break;
      case EventType::kUnsubscribed: contact.unsubscribed = true; break;
      case EventType::kMarkedAsSpam: contact.marked_as_spam = true; break;
      case EventType::kOpenedByMachine: ++contact.machine_opens; break;
      case EventType::kLinkClickedByMachine: ++contact.machine_clicks; break;
      default: draft->marks.push_back({entry.type, entry.time, entry.facts.link});
    }
  }

  std::vector<Draft> drafts;

 private:
  Draft* Find(const ContactEntry& entry) {
    if (!entry.contact_id.empty()) {
      const auto known = by_id_.find(entry.contact_id);
      if (known != by_id_.end()) return &drafts[known->second];
      by_id_[entry.contact_id] = drafts.size();
      return Begin(entry);
    }
    if (!IsOutcome(entry.type)) return Begin(entry);
    for (size_t i = drafts.size(); i-- > 0;) {
      Draft& draft = drafts[i];
      const bool before =
          draft.sent_at && *draft.sent_at <= entry.time && entry.time.ms - draft.sent_at->ms <= kAttributionMs;
      if (before && draft.contact.channel == entry.channel) return &draft;
    }
    return nullptr;
  }
  Draft* Begin(const ContactEntry& entry) {
    Draft& draft = drafts.emplace_back();
    draft.contact.id = entry.contact_id;
    draft.contact.time = entry.time;
    return &draft;
  }

  std::map<std::string, size_t> by_id_;
};

// Marks that look like a program's work by their timing alone.
std::vector<bool> MachineMarks(const Draft& draft) {
  std::vector<bool> machine(draft.marks.size(), false);
  for (size_t i = 0; i < draft.marks.size(); ++i) {
    const Draft::Mark& mark = draft.marks[i];
    for (const std::optional<Timestamp>& start : {draft.sent_at, draft.delivered_at}) {
      const int64_t delay_ms = start ? mark.time.ms - start->ms : kHumanDelayMs;
      if (delay_ms >= 0 && delay_ms < kHumanDelayMs) machine[i] = true;
    }
    if (mark.type != EventType::kLinkClicked) continue;
    std::set<std::string> links;
    for (const Draft::Mark& other : draft.marks) {
      const bool near = std::abs(other.time.ms - mark.time.ms) <= kAtOnceMs;
      if (other.type == EventType::kLinkClicked && near && !other.link.empty()) links.insert(other.link);
    }
    if (links.size() >= kLinksAtOnce) machine[i] = true;
  }
  return machine;
}

Contact Finish(Draft& draft) {
  Contact& contact = draft.contact;
  if (draft.sent_at) contact.time = *draft.sent_at;
  // An outcome that arrived before its "sent" did, or without one, shows that it was sent.
  const bool happened = draft.sent_at || contact.delivered || contact.bounced || !draft.marks.empty() ||
                        contact.responded() || contact.unsubscribed || contact.marked_as_spam;
  contact.planned = !happened;
  const std::vector<bool> machine = MachineMarks(draft);
  for (size_t i = 0; i < draft.marks.size(); ++i) {
    const bool click = draft.marks[i].type == EventType::kLinkClicked;
    if (machine[i]) {
      ++(click ? contact.machine_clicks : contact.machine_opens);
    } else {
      (click ? contact.clicked : contact.opened) = true;
    }
  }
  return std::move(contact);
}

void Newest(std::map<std::string, Timestamp>& times, const std::string& channel, Timestamp time) {
  Timestamp& newest = times.try_emplace(channel, time).first->second;
  newest = std::max(newest, time);
}

// Open cases by their id; a complaint without one is closed by the next closing without one.
size_t CountOpenComplaints(std::span<const ContactEntry* const> ordered) {
  std::map<std::string, int64_t> open;
  for (const ContactEntry* entry : ordered) {
    if (entry->type == EventType::kComplaintOpened) ++open[entry->contact_id];
    if (entry->type == EventType::kComplaintClosed) open[entry->contact_id] = 0;
  }
  return static_cast<size_t>(std::count_if(open.begin(), open.end(), [](const auto& one) { return one.second > 0; }));
}

}  // namespace

ContactLog ReadContactLog(std::span<const ContactEntry> entries) {
  std::vector<const ContactEntry*> ordered;
  for (const ContactEntry& entry : entries) ordered.push_back(&entry);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const ContactEntry* a, const ContactEntry* b) { return a->time < b->time; });
  ContactLog log;
  log.complete = entries.size() < limits::kContactEntriesMax;
  log.open_complaints = CountOpenComplaints(ordered);
  Collector collector;
  for (const ContactEntry* entry : ordered) {
    if (entry->type == EventType::kComplaintOpened || entry->type == EventType::kComplaintClosed) continue;
    if (entry->type == EventType::kReplied) Newest(log.last_inbound, entry->channel, entry->time);
    if (entry->type == EventType::kBounced) Newest(log.last_bounce, entry->channel, entry->time);
    const bool alive = entry->type == EventType::kDelivered || entry->type == EventType::kOpened ||
                       entry->type == EventType::kLinkClicked || entry->type == EventType::kReplied ||
                       entry->type == EventType::kAnswered;
    if (alive) Newest(log.last_sign_of_life, entry->channel, entry->time);
    collector.Take(*entry);
  }
  for (Draft& draft : collector.drafts) {
    const bool only_planned = !draft.sent_at;
    if (draft.cancelled && only_planned) continue;
    log.contacts.push_back(Finish(draft));
  }
  std::stable_sort(log.contacts.begin(), log.contacts.end(),
                   [](const Contact& a, const Contact& b) { return a.time < b.time; });
  return log;
}

}  // namespace rapport
