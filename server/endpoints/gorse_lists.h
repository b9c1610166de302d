// What /api/* reads: pages of users, items and feedback, and lists of recommendations in Gorse's shapes.
//   n       entries, 1 to 1000, default 10        cursor  of the page before (also spelt Cursor, as gorsejs sends it)
//   offset  entries left out; lists end at 1000   "Cursor": "" in an answer: this was the last page
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "server/http_message.h"

namespace rapport {

Result<Response> GorseUsers(const Store& store, const Request& request);
Result<Response> GorseItems(const Store& store, const Request& request);

// Of one user and item: all of them, or with a {type} the one (404 when there is none).
Result<Response> GorseFeedbackOfTwo(const Store& store, const Request& request);
Result<Response> GorseFeedbackOfUser(const Store& store, const Request& request);
Result<Response> GorseFeedbackOfItem(const Store& store, const Request& request);
Result<Response> GorseFeedbackPage(const Store& store, const Request& request);

// What to recommend, and what is to be written back. kPermissionDenied: write-back with a key that may not send events.
struct GorsePage {
  std::vector<std::string> ids;
  std::string write_back_type;  // empty: nothing
  Timestamp write_back_at;
};
Result<GorsePage> GorseRecommendPage(const Engine& engine, const Request& request);
Result<Response> GorseSession(const Engine& engine, const Request& request);
Result<Response> GorseBoard(const Engine& engine, BoardKind board, const Request& request);
// Empty for an item that nobody knows, as in Gorse.
Result<Response> GorseItemNeighbours(const Engine& engine, const Request& request);
// Users by the cosine of the sets of items that they dealt with. Reads every event.
Result<Response> GorseUserNeighbours(const Store& store, const Request& request);

}  // namespace rapport
