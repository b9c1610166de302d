// See support.h.
#include "server/endpoints/support.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "server/endpoints/json_writer.h"

namespace rapport {
namespace {

using FieldWriter = void (*)(JsonWriter&, const Item&);

void WriteTexts(JsonWriter& out, const std::vector<std::string>& texts) {
  out.BeginArray();
  for (const std::string& text : texts) out.String(text);
  out.EndArray();
}

void WriteValue(JsonWriter& out, const Value& value) {
  if (const bool* flag = std::get_if<bool>(&value)) {
    out.Bool(*flag);
  } else if (const double* number = std::get_if<double>(&value)) {
    out.Number(*number);
  } else if (const std::string* text = std::get_if<std::string>(&value)) {
    out.String(*text);
  } else {
    WriteTexts(out, std::get<std::vector<std::string>>(value));
  }
}

struct ItemField {
  std::string_view name;
  bool (*present)(const Item&);
  FieldWriter write;
};

constexpr std::array kItemFields{
    ItemField{"kind", [](const Item&) { return true; },
              [](JsonWriter& out, const Item& item) { out.String(item.kind); }},
    ItemField{"title", [](const Item&) { return true; },
              [](JsonWriter& out, const Item& item) { out.String(item.title); }},
    ItemField{"categories", [](const Item&) { return true; },
              [](JsonWriter& out, const Item& item) { WriteTexts(out, item.categories); }},
    ItemField{"tags", [](const Item&) { return true; },
              [](JsonWriter& out, const Item& item) { WriteTexts(out, item.tags); }},
    ItemField{"price", [](const Item& item) { return item.price.has_value(); },
              [](JsonWriter& out, const Item& item) { out.Money(*item.price); }},
    ItemField{"stock", [](const Item& item) { return item.stock.has_value(); },
              [](JsonWriter& out, const Item& item) { out.Integer(*item.stock); }},
    ItemField{"available", [](const Item&) { return true; },
              [](JsonWriter& out, const Item& item) { out.Bool(item.available); }},
    ItemField{"variantOf", [](const Item& item) { return !item.variant_of.empty(); },
              [](JsonWriter& out, const Item& item) { out.String(item.variant_of); }},
    ItemField{"publishedAt", [](const Item& item) { return item.published_at.has_value(); },
              [](JsonWriter& out, const Item& item) { out.Time(*item.published_at); }},
    ItemField{"expiresAt", [](const Item& item) { return item.expires_at.has_value(); },
              [](JsonWriter& out, const Item& item) { out.Time(*item.expires_at); }},
    ItemField{"language", [](const Item& item) { return !item.language.empty(); },
              [](JsonWriter& out, const Item& item) { out.String(item.language); }},
};
// Margin and audience stay inside: an answer may go to a browser.

constexpr std::string_view kAttributePrefix = "attributes.";

const ItemField* FindItemField(std::string_view name) {
  const auto* found = std::find_if(kItemFields.begin(), kItemFields.end(),
                                   [name](const ItemField& field) { return field.name == name; });
  return found == kItemFields.end() ? nullptr : found;
}

void WriteProperties(JsonWriter& out, const Item& item, const std::vector<std::string>& fields) {
  out.BeginObject();
  for (const std::string& name : fields) {
    if (const ItemField* field = FindItemField(name)) {
      if (!field->present(item)) continue;
      field->write(out.Key(name), item);
    } else if (const auto found = item.attributes.find(name.substr(kAttributePrefix.size()));
               found != item.attributes.end()) {
      WriteValue(out.Key(name), found->second);
    }
  }
  out.EndObject();
}

}  // namespace

Handler Synchronous(std::function<Result<Response>(const Request&)> handle) {
  return [handle = std::move(handle)](const Request& request, Responder respond) {
    Result<Response> response = handle(request);
    respond(response.ok() ? response.Take() : ProblemResponse(response.status()));
  };
}

void ApplyThenAnswer(Store& store, std::vector<Operation> operations, Responder respond,
                     std::function<Response(const std::vector<OperationResult>&)> answer) {
  store.Apply(std::move(operations),
              [respond = std::move(respond), answer = std::move(answer)](Result<std::vector<OperationResult>> results) {
                respond(results.ok() ? answer(*results) : ProblemResponse(results.status()));
              });
}

Response AnswerOfOne(const std::vector<OperationResult>& results, Response ok) {
  for (const OperationResult& result : results) {
    if (!result.status.ok()) return ProblemResponse(result.status);
  }
  return ok;
}

bool IsRetryable(const Status& status) {
  return status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kInternal ||
         status.code() == StatusCode::kDataLoss;
}

Response BatchAnswer(size_t accepted, const std::string& members, const std::vector<IndexedError>& errors) {
  for (const IndexedError& error : errors) {
    if (IsRetryable(error.status)) return ProblemResponse(error.status, errors);
  }
  if (accepted == 0 && !errors.empty()) {
    return ProblemResponse(Status::InvalidArgument("no entry was accepted: see errors"), errors);
  }
  return JsonResponse(200, BatchBody(true, members, errors));
}

std::string BatchBody(bool success, const std::string& members, const std::vector<IndexedError>& errors) {
  JsonWriter out;
  out.BeginObject().Key("success").Bool(success);
  if (!members.empty()) out.Raw(members);
  if (!errors.empty()) {
    out.Key("errors").BeginArray();
    for (const IndexedError& error : errors) {
      out.BeginObject().Key("index").Unsigned(error.index).Key("type").String(ProblemType(error.status.code()));
      out.Key("detail").String(error.status.message()).EndObject();
    }
    out.EndArray();
  }
  return out.EndObject().Take();
}

Status RefuseUnknownQuery(const Request& request, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : request.query) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string names;
    for (std::string_view one : known) names += (names.empty() ? "" : ", ") + std::string(one);
    return Status::InvalidArgument(QuoteForMessage(name) +
                                   " is not a known query parameter; known are: " + (names.empty() ? "none" : names));
  }
  return Status::Ok();
}

Status CheckId(std::string_view id, std::string_view name) {
  const std::string field(name);
  if (id.empty()) return Status::InvalidArgument(field + " must not be empty");
  if (id.size() > limits::kExternalIdBytesMax) {
    return Status::InvalidArgument(field + " must be at most " + std::to_string(limits::kExternalIdBytesMax) +
                                   " bytes, not " + std::to_string(id.size()));
  }
  if (!IsValidUtf8(id)) return Status::InvalidArgument(field + " must be UTF-8, percent-encoded in paths");
  return Status::Ok();
}

Result<CustomerNames> CustomerNamesFromJson(const Json& object, const std::string& where) {
  JsonFields fields(object, where);
  CustomerNames names;
  names.user_id = fields.Id("userId");
  names.anonymous_id = fields.Id("anonymousId");
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  if (names.empty()) return Status::InvalidArgument(where + "userId or anonymousId is missing: name the customer");
  return names;
}

Result<CustomerNames> CustomerNamesFromQuery(const Request& request) {
  CustomerNames names;
  if (request.query.contains("userId")) names.user_id = request.Query("userId");
  if (request.query.contains("anonymousId")) names.anonymous_id = request.Query("anonymousId");
  if (names.user_id) RAPPORT_RETURN_IF_ERROR(CheckId(*names.user_id, "userId"));
  if (names.anonymous_id) RAPPORT_RETURN_IF_ERROR(CheckId(*names.anonymous_id, "anonymousId"));
  return names;
}

Result<std::optional<CustomerRef>> CustomerToServe(const Request& request, const CustomerNames& names,
                                                   const Store& store) {
  if (names.empty()) return std::optional<CustomerRef>(request.identity.visitor);
  std::optional<CustomerRef> user, anonymous;
  if (names.user_id) user = CustomerRef{CustomerNamespace::kUser, *names.user_id};
  if (names.anonymous_id) anonymous = CustomerRef{CustomerNamespace::kAnonymous, *names.anonymous_id};
  if (user) RAPPORT_RETURN_IF_ERROR(MayActFor(request.identity, *user));
  if (anonymous) RAPPORT_RETURN_IF_ERROR(MayActFor(request.identity, *anonymous));
  if (user && (!anonymous || store.FindCustomer(*user))) return user;
  return anonymous;
}

Status CheckItemFields(const std::vector<std::string>& fields) {
  for (const std::string& name : fields) {
    if (FindItemField(name) != nullptr) continue;
    if (name.starts_with(kAttributePrefix) && name.size() > kAttributePrefix.size()) continue;
    std::string names;
    for (const ItemField& field : kItemFields) names += std::string(field.name) + ", ";
    return Status::InvalidArgument("return: " + QuoteForMessage(name) +
                                   " is not a field of an item; known are: " + names + "attributes.NAME");
  }
  return Status::Ok();
}

namespace {

// Which items were drawn is not for browsers: there they have no reason that stands out.
void WriteReasons(JsonWriter& out, const std::vector<Reason>& reasons, KeyKind reader) {
  out.BeginArray();
  for (const Reason& reason : reasons) {
    const bool kept_back = reason.because == Because::kExplored && reader != KeyKind::kServer;
    out.BeginObject().Key("because").String(BecauseName(kept_back ? Because::kModel : reason.because));
    out.Key("share").Number(reason.share);
    if (!reason.item.empty()) out.Key("itemId").String(reason.item);
    if (!reason.title.empty()) out.Key("title").String(reason.title);
    out.EndObject();
  }
  out.EndArray();
}

}  // namespace

void WriteRecommendation(JsonWriter& out, const RecommendResponse& answer, const std::vector<std::string>& fields,
                         const Identity& reader) {
  if (!answer.recommendation_id.empty()) out.Key("recommendationId").String(answer.recommendation_id);
  out.Key("level").String(LevelName(answer.level));
  out.Key("generation").Unsigned(answer.generation);
  out.Key("items").BeginArray();
  for (const RecommendedItem& shown : answer.items) {
    out.BeginObject().Key("itemId").String(shown.external_id).Key("score").Number(shown.score);
    out.Key("level").String(LevelName(shown.level));
    if (shown.pinned) out.Key("pinned").Bool(true);
    if (shown.explored && reader.kind == KeyKind::kServer) {
      out.Key("explored").Bool(true).Key("propensity").Number(shown.propensity);
    }
    const Item* item = fields.empty() ? nullptr : answer.catalog->Get(shown.item);
    if (item != nullptr) WriteProperties(out.Key("properties"), *item, fields);
    if (!shown.impression.empty()) out.Key("impression").String(shown.impression);
    if (!shown.reasons.empty()) WriteReasons(out.Key("reasons"), shown.reasons, reader.kind);
    out.EndObject();
  }
  out.EndArray();
}

Response RecommendAnswer(const RecommendResponse& answer, const std::vector<std::string>& fields,
                         const Identity& reader) {
  JsonWriter out(256 + answer.items.size() * (160 + 64 * fields.size()));
  WriteRecommendation(out.BeginObject(), answer, fields, reader);
  return JsonResponse(200, out.EndObject().Take());
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

}  // namespace rapport
