#include "server/commands/simulate_contacts.h"

#include <algorithm>

#include "data/io/json_records.h"

namespace rapport {
namespace {

using nlohmann::json;

// As the event table names them, by channel (kContactChannelNames).
constexpr const char* kEventPrefix[kContactChannels] = {"Email", "SMS", "Push Notification", "Message"};

// One contact's events, numbered in the order of the story. One owner.
class Caller {
 public:
  explicit Caller(const CustomerRef& customer) : customer_(customer) {}

  // `id` is the message id, unique in the shop.
  void Add(Timestamp time, const std::string& name, const std::string& id, size_t channel, json properties) {
    json object{{"type", "track"},
                {"event", name},
                {"messageId", id},
                {"timestamp", FormatRfc3339(time)},
                {"channel", kContactChannelNames[channel]},
                {"properties", std::move(properties)}};
    SetCustomer(customer_, &object);
    calls_.emplace_back(time, std::move(object));
  }
  std::vector<std::pair<Timestamp, json>> Take() {
    std::stable_sort(calls_.begin(), calls_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    return std::move(calls_);
  }

 private:
  const CustomerRef customer_;
  std::vector<std::pair<Timestamp, json>> calls_;
};

}  // namespace

std::vector<std::pair<Timestamp, json>> ContactCalls(const ContactWorld& world, const SimulatedShop& shop,
                                                     size_t customer, const ContactHistory& history) {
  Caller caller(shop.customers[customer].profile.ref);
  const std::string person = "c" + std::to_string(customer + 1);
  for (size_t channel = 0; channel < kContactChannels; ++channel) {
    caller.Add(world.start, "Consent Given", person + "-consent-" + kContactChannelNames[channel], channel,
               {{"purpose", "marketing"}, {"source", "sign-up form"}});
  }
  for (const SimulatedContact& contact : history.contacts) {
    const std::string prefix = kEventPrefix[contact.arm.channel];
    const json about{{"contact_id", contact.id},
                     {"purpose", "marketing"},
                     {"product_id", world.contents[contact.arm.content].item.item.external_id}};
    json sent = about;
    sent["propensity"] = contact.propensity;
    const auto say = [&](const std::optional<Timestamp>& time, const char* what, const json& properties) {
      if (!time || *time >= world.end) return;
      const std::string last_word = std::string(what).substr(std::string(what).rfind(' ') + 1);
      caller.Add(*time, prefix + what, contact.id + "-" + last_word, contact.arm.channel, properties);
    };
    say(contact.time, " Sent", sent);
    say(contact.opened, " Opened", about);
    say(contact.answered, " Link Clicked", about);
    say(contact.unsubscribed, " Unsubscribed", about);
  }
  return caller.Take();
}

std::vector<json> ContactTruth(const SimulatedShop& shop, size_t customer, const ContactHistory& history) {
  std::vector<json> lines;
  for (const SimulatedContact& contact : history.contacts) {
    json line{
        {"contactId", contact.id}, {"response", contact.true_response}, {"unsubscribe", contact.true_unsubscribe}};
    SetCustomer(shop.customers[customer].profile.ref, &line);
    lines.push_back(std::move(line));
  }
  return lines;
}

Result<ContactPolicy> ContactPolicyFromName(const std::string& name) {
  if (name == "uniform") return ContactPolicy::kUniform;
  if (name == "habit") return ContactPolicy::kHabit;
  if (name == "model") return ContactPolicy::kModel;
  return Status::InvalidArgument("no such policy of contacts: " + name + "; there are uniform, habit and model");
}

}  // namespace rapport
