// What most endpoints share: who is asked for, which query parameters are known, one place where a Status becomes an
// answer.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/catalog.h"
#include "data/store.h"
#include "engine/requests.h"
#include "server/endpoints/json_body.h"
#include "server/endpoints/json_writer.h"
#include "server/http_message.h"
#include "server/problem.h"
#include "server/route_table.h"

namespace rapport {

// For handlers that answer at once. The Status of a failed Result becomes the problem.
Handler Synchronous(std::function<Result<Response>(const Request&)> handle);

// Hands the operations to the store and answers from its callback, when they are durable. A batch the store did not
// take becomes the problem (503): nothing of it is known to be applied, and sending it again is safe.
void ApplyThenAnswer(Store& store, std::vector<Operation> operations, Responder respond,
                     std::function<Response(const std::vector<OperationResult>&)> answer);
// The first result's own Status as the answer; `ok` when it is.
Response AnswerOfOne(const std::vector<OperationResult>& results, Response ok);
// Nobody's fault but the store's: the sender may try again.
bool IsRetryable(const Status& status);
// What a batch's answer says: {"success", members, "errors": [{"index", "type", "detail"}]}.
std::string BatchBody(bool success, const std::string& members, const std::vector<IndexedError>& errors);
// Answers a batch with `accepted` good entries: 200 with the errors beside them, 400 when every entry was bad, 503 when
// the store failed. `members` are written before the errors: ""accepted":3".
Response BatchAnswer(size_t accepted, const std::string& members, const std::vector<IndexedError>& errors);

// kInvalidArgument names a query parameter that is none of `known`: a misspelt one would be ignored silently.
Status RefuseUnknownQuery(const Request& request, std::initializer_list<std::string_view> known);

// Ids as they stand in paths and queries: 1 to kExternalIdBytesMax bytes of UTF-8 without zero bytes.
Status CheckId(std::string_view id, std::string_view name);

// One customer named by a user id, an anonymous id, or both (at least one is set).
struct CustomerNames {
  std::optional<std::string> user_id, anonymous_id;
  bool empty() const { return !user_id && !anonymous_id; }
};
// {"userId": ..., "anonymousId": ...}; `where` stands before field names in messages.
Result<CustomerNames> CustomerNamesFromJson(const Json& object, const std::string& where);
// ?userId=&anonymousId=
Result<CustomerNames> CustomerNamesFromQuery(const Request& request);

// Whom a request is answered for: the user when only it is named or when it is known, else the anonymous one. A browser
// key that names nobody asks for its own visitor, and is refused any other (kPermissionDenied). nullopt: nobody.
Result<std::optional<CustomerRef>> CustomerToServe(const Request& request, const CustomerNames& names,
                                                   const Store& store);

// Names that `return` may ask for: "title", "price", "attributes.color", ... kInvalidArgument names a wrong one.
Status CheckItemFields(const std::vector<std::string>& fields);

// The members "recommendationId", "level", "generation" and "items", each item with the `fields` it has. Propensities
// are for server keys: a page has no use for them.
void WriteRecommendation(JsonWriter& out, const RecommendResponse& answer, const std::vector<std::string>& fields,
                         const Identity& reader);
// An object of these.
Response RecommendAnswer(const RecommendResponse& answer, const std::vector<std::string>& fields,
                         const Identity& reader);

// "a, b,c" -> {"a", "b", "c"}
std::vector<std::string> SplitList(std::string_view text);

}  // namespace rapport
