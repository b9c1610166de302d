// Questions for lists as JSON: what POST /v1/recommendations, /v1/recommendations/next, /v1/rank and /v1/context share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/store.h"
#include "engine/requests.h"
#include "server/endpoints/json_body.h"
#include "server/endpoints/support.h"
#include "server/http_message.h"

namespace rapport {

// `customer` as it stands in a body, checked against who asks (CustomerToServe).
Result<std::optional<CustomerRef>> CustomerOfBody(const Request& request, JsonFields& fields, const Store& store);

// scenario, kind, seedItems, filter, boost, exclude, repeat, explain: what a list is about and what it may show.
void ReadWhatToShow(JsonFields& fields, RecommendRequest* request);
// count, pin, diversity: how a page is laid out.
void ReadLayout(JsonFields& fields, RecommendRequest* request);
// Names of `return`, known ones only.
std::vector<std::string> ReadReturn(JsonFields& fields);

// Words of a question that only its answer's writing needs, as they travel in RecommendRequest::note.
std::string NoteOfReturn(const std::vector<std::string>& return_fields);
std::vector<std::string> ReturnOfNote(const std::string& note);

}  // namespace rapport
