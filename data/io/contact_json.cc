#include "data/io/contact_json.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "data/io/json_reader.h"

namespace rapport {
namespace {

using nlohmann::json;

// Parts of names that such programs give themselves, lower case. From their makers' documentation and the names that
// HTTP libraries send unless told otherwise.
constexpr std::string_view kMachineAgents[] = {"barracuda",
                                               "proofpoint",
                                               "mimecast",
                                               "urldefense",
                                               "fireeye",
                                               "safelinks",
                                               "messagelabs",
                                               "bot/",
                                               "bot;",
                                               "bot)",
                                               "googlebot",
                                               "bingpreview",
                                               "bingbot",
                                               "yandexbot",
                                               "slackbot",
                                               "twitterbot",
                                               "telegrambot",
                                               "linkedinbot",
                                               "discordbot",
                                               "applebot",
                                               "facebookexternalhit",
                                               "whatsapp/",
                                               "skypeuripreview",
                                               "crawler",
                                               "spider",
                                               "headlesschrome",
                                               "phantomjs",
                                               "python-requests",
                                               "python-urllib",
                                               "aiohttp",
                                               "curl/",
                                               "wget/",
                                               "go-http-client",
                                               "okhttp",
                                               "java/",
                                               "apache-httpclient",
                                               "libwww-perl",
                                               "axios/",
                                               "node-fetch",
                                               "ruby",
                                               "scrapy"};

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string TextOf(const json& object, std::initializer_list<const char*> keys) {
  if (!object.is_object()) return "";
  for (const char* key : keys) {
    const auto found = object.find(key);
    if (found == object.end()) continue;
    if (found->is_string() && !found->get_ref<const std::string&>().empty()) return found->get<std::string>();
    if (found->is_number_integer()) return found->dump();
  }
  return "";
}

bool FetchesAhead(const json& headers) {
  if (!headers.is_object()) return false;
  for (const auto& [name, value] : headers.items()) {
    const std::string key = Lower(name);
    if (!value.is_string() || (key != "purpose" && key != "x-purpose" && key != "x-moz" && key != "sec-purpose"))
      continue;
    const std::string text = Lower(value.get_ref<const std::string&>());
    if (text.find("prefetch") != std::string::npos || text.find("preview") != std::string::npos) return true;
  }
  return false;
}

bool ByMachine(const json& message, const json& properties) {
  const auto context = message.find("context");
  if (context != message.end() && IsMachineAgent(TextOf(*context, {"userAgent"}))) return true;
  if (IsMachineAgent(TextOf(properties, {"user_agent", "userAgent"}))) return true;
  if (Lower(TextOf(properties, {"method"})) == "head") return true;
  const auto headers = properties.find("headers");
  return headers != properties.end() && FetchesAhead(*headers);
}

}  // namespace

bool IsMachineAgent(std::string_view user_agent) {
  const std::string agent = Lower(user_agent);
  return std::any_of(std::begin(kMachineAgents), std::end(kMachineAgents),
                     [&](std::string_view part) { return agent.find(part) != std::string::npos; });
}

void InterpretContact(const json& message, const json& properties, const EventTableRow& row, Event* event) {
  if (!IsContactType(row.type)) return;
  const bool is_case = row.type == EventType::kComplaintOpened || row.type == EventType::kComplaintClosed;
  event->order_id = is_case ? TextOf(properties, {"case_id", "caseId", "complaint_id"})
                            : TextOf(properties, {"contact_id", "contactId", "decision_id", "decisionId", "email_id"});
  if (event->channel.empty()) event->channel = row.channel;
  if (event->store_id.empty()) event->store_id = TextOf(properties, {"place"});
  event->contact.purpose = TextOf(properties, {"purpose"});
  event->contact.link = TextOf(properties, {"link_url", "linkUrl", "link_id", "linkId", "url"});
  if (!ByMachine(message, properties)) return;
  if (row.type == EventType::kOpened) event->type = EventType::kOpenedByMachine;
  if (row.type == EventType::kLinkClicked) event->type = EventType::kLinkClickedByMachine;
}

Result<std::optional<RecordConsent>> ConsentOfEvent(const json& properties, const AppendEvent& event,
                                                    Timestamp received_at) {
  const EventType type = event.event.type;
  const bool told = type == EventType::kConsentGiven || type == EventType::kConsentWithdrawn;
  const bool left = type == EventType::kUnsubscribed || type == EventType::kMarkedAsSpam;
  if (!told && !left) return std::optional<RecordConsent>();
  RecordConsent record;
  record.customer = event.customer;
  Consent& consent = record.consent;
  consent.channel = event.event.channel;
  consent.purpose = event.event.contact.purpose;
  ObjectReader reader(properties, "properties");
  std::string topic;
  reader.Text("channel", &consent.channel);
  reader.Text("purpose", &consent.purpose);
  reader.Text("topic", &topic);
  reader.Text("source", &consent.source);
  reader.Text("proof", &consent.proof);
  if (consent.channel.empty()) reader.Fail("channel is missing; name the channel that the consent is for, like email");
  RAPPORT_RETURN_IF_ERROR(reader.Finish(ObjectReader::UnknownKeys::kIgnore));
  if (consent.purpose.empty()) consent.purpose = topic.empty() ? "marketing" : "topic:" + topic;
  consent.given = type == EventType::kConsentGiven;
  consent.time = std::min(event.event.time, received_at);
  if (left && consent.source.empty()) consent.source = event.event.name;
  if (left && consent.proof.empty()) consent.proof = event.event.order_id;
  return std::optional<RecordConsent>(std::move(record));
}

}  // namespace rapport
