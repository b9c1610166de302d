#include "data/io/json_records.h"

namespace rapport {
namespace {

using nlohmann::json;
using Unknown = ObjectReader::UnknownKeys;

// Writers that leave out what is not there.
void Set(json* object, const char* key, const std::string& text) {
  if (!text.empty()) (*object)[key] = text;
}
void Set(json* object, const char* key, const std::vector<std::string>& texts) {
  if (!texts.empty()) (*object)[key] = texts;
}
void Set(json* object, const char* key, const std::optional<Decimal>& money) {
  if (money) (*object)[key] = FormatDecimal(*money);
}
void Set(json* object, const char* key, const std::optional<Timestamp>& time) {
  if (time) (*object)[key] = FormatRfc3339(*time);
}
void Set(json* object, const char* key, Timestamp time) {
  if (time != Timestamp{}) (*object)[key] = FormatRfc3339(time);
}

}  // namespace

Result<Item> ItemFromJson(const json& object) {
  ObjectReader reader(object, "item");
  Item item;
  reader.Text("itemId", &item.external_id);
  reader.Text("kind", &item.kind);
  reader.Text("title", &item.title);
  reader.Texts("categories", &item.categories);
  reader.Texts("tags", &item.tags);
  reader.Money("price", &item.price);
  reader.Money("margin", &item.margin);
  reader.Integer("stock", &item.stock);
  reader.Bool("available", &item.available);
  reader.Bool("hidden", &item.hidden);
  reader.Texts("audience", &item.audience);
  reader.Text("variantOf", &item.variant_of);
  reader.Time("publishedAt", &item.published_at);
  reader.Time("expiresAt", &item.expires_at);
  reader.Text("language", &item.language);
  reader.Values("attributes", &item.attributes);
  reader.Floats("embedding", &item.embedding);
  reader.Time("updatedAt", &item.updated_at);
  if (item.external_id.empty()) reader.Fail("itemId is missing; give the item's id");
  const Status status = reader.Finish(Unknown::kRefuse);
  if (!status.ok()) return status;
  return item;
}

json ItemToJson(const Item& item) {
  json object{{"itemId", item.external_id}, {"kind", item.kind}, {"available", item.available}};
  Set(&object, "title", item.title);
  Set(&object, "categories", item.categories);
  Set(&object, "tags", item.tags);
  Set(&object, "price", item.price);
  Set(&object, "margin", item.margin);
  if (item.stock) object["stock"] = *item.stock;
  if (item.hidden) object["hidden"] = true;
  Set(&object, "audience", item.audience);
  Set(&object, "variantOf", item.variant_of);
  Set(&object, "publishedAt", item.published_at);
  Set(&object, "expiresAt", item.expires_at);
  Set(&object, "language", item.language);
  if (!item.attributes.empty()) object["attributes"] = AttributesToJson(item.attributes);
  if (!item.embedding.empty()) object["embedding"] = item.embedding;
  Set(&object, "updatedAt", item.updated_at);
  return object;
}

Result<PatchItem> PatchItemFromJson(const std::string& external_id, const json& object) {
  ObjectReader reader(object, "item");
  PatchItem patch;
  patch.external_id = external_id;
  reader.Text("title", &patch.title);
  reader.Money("price", &patch.price);
  reader.Money("margin", &patch.margin);
  reader.Integer("stock", &patch.stock);
  if (reader.Any("available") != nullptr) reader.Bool("available", &patch.available.emplace());
  if (reader.Any("hidden") != nullptr) reader.Bool("hidden", &patch.hidden.emplace());
  reader.Time("publishedAt", &patch.published_at);
  reader.Time("expiresAt", &patch.expires_at);
  if (reader.Any("categories") != nullptr) reader.Texts("categories", &patch.categories.emplace());
  if (reader.Any("tags") != nullptr) reader.Texts("tags", &patch.tags.emplace());
  if (reader.Any("audience") != nullptr) reader.Texts("audience", &patch.audience.emplace());
  const Status status = reader.Finish(Unknown::kRefuse);
  if (!status.ok()) return status;
  return patch;
}

Result<Consent> ConsentFromJson(const json& object) {
  ObjectReader reader(object, "consent");
  Consent consent;
  reader.Text("channel", &consent.channel);
  reader.Text("purpose", &consent.purpose);
  reader.Bool("given", &consent.given);
  reader.Time("time", &consent.time);
  reader.Text("source", &consent.source);
  reader.Text("proof", &consent.proof);
  if (consent.channel.empty()) reader.Fail("channel is missing; for example \"email\"");
  if (consent.purpose.empty()) reader.Fail("purpose is missing; for example \"marketing\"");
  if (reader.Any("given") == nullptr) reader.Fail("given is missing; send true or false");
  const Status status = reader.Finish(Unknown::kRefuse);
  if (!status.ok()) return status;
  return consent;
}

json ConsentToJson(const Consent& consent) {
  json object{{"channel", consent.channel}, {"purpose", consent.purpose}, {"given", consent.given}};
  Set(&object, "time", consent.time);
  Set(&object, "source", consent.source);
  Set(&object, "proof", consent.proof);
  return object;
}

CustomerRef CustomerFromJson(ObjectReader& reader) {
  const auto read = [&](const char* key) -> std::string {
    const json* value = reader.Any(key);
    if (value != nullptr && value->is_number_integer()) return value->dump();
    std::string text;
    reader.Text(key, &text);
    return text;
  };
  const std::string user = read("userId"), anonymous = read("anonymousId");
  if (user.empty() && anonymous.empty()) reader.Fail("names no customer; send userId or anonymousId");
  if (!user.empty()) return {CustomerNamespace::kUser, user};
  return {CustomerNamespace::kAnonymous, anonymous};
}

void SetCustomer(const CustomerRef& customer, json* object) {
  (*object)[customer.name_space == CustomerNamespace::kUser ? "userId" : "anonymousId"] = customer.external_id;
}

Result<RowOperations> ProfileFromJson(const json& object, Timestamp now) {
  ObjectReader reader(object, "profile");
  RowOperations result;
  UpdateProfile profile;
  profile.customer = CustomerFromJson(reader);
  profile.time = now;
  reader.Time("updatedAt", &profile.time);
  Timestamp created_at;
  reader.Time("createdAt", &created_at);
  reader.Text("timezone", &profile.time_zone);
  reader.Text("locale", &profile.locale);
  reader.Text("country", &profile.country);
  if (reader.Any("audiences") != nullptr) reader.Texts("audiences", &profile.audiences.emplace());
  reader.Values("traits", &profile.traits);
  std::string personalization;
  reader.Text("personalization", &personalization);
  if (!personalization.empty() && personalization != "on" && personalization != "off")
    reader.Fail("personalization is \"on\" or \"off\"");
  const json* consents = reader.Array("consents");
  const json* parent = reader.Object("partOf");
  RAPPORT_RETURN_IF_ERROR(reader.Finish(Unknown::kRefuse));
  const CustomerRef customer = profile.customer;
  const Timestamp time = profile.time;
  if (!personalization.empty()) {
    const Personalization wish = personalization == "off" ? Personalization::kOff : Personalization::kOn;
    result.after.push_back(SetPersonalization{customer, wish, time});
  }
  for (const json& element : consents != nullptr ? *consents : json::array()) {
    Result<Consent> consent = ConsentFromJson(element);
    if (!consent.ok()) return consent.status();
    result.after.push_back(RecordConsent{customer, consent.Take()});
  }
  if (parent != nullptr) {
    ObjectReader parent_reader(*parent, "profile: partOf");
    LinkCustomers link{customer, CustomerFromJson(parent_reader), time};
    RAPPORT_RETURN_IF_ERROR(parent_reader.Finish(Unknown::kRefuse));
    result.after.push_back(std::move(link));
  }
  result.row = std::move(profile);
  return result;
}

json ProfileToJson(const Profile& profile, const std::vector<Consent>& consents,
                   const std::optional<CustomerRef>& part_of) {
  json object = json::object();
  SetCustomer(profile.ref, &object);
  object["personalization"] = profile.personalization == Personalization::kOn ? "on" : "off";
  Set(&object, "timezone", profile.time_zone);
  Set(&object, "locale", profile.locale);
  Set(&object, "country", profile.country);
  Set(&object, "audiences", profile.audiences);
  if (!profile.traits.empty()) object["traits"] = AttributesToJson(profile.traits);
  Set(&object, "createdAt", profile.created_at);
  Set(&object, "updatedAt", profile.updated_at);
  for (const Consent& consent : consents) object["consents"].push_back(ConsentToJson(consent));
  if (part_of) SetCustomer(*part_of, &object["partOf"]);
  return object;
}

}  // namespace rapport
