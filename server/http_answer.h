// From an answer as handlers give it to the message on the wire: date, framing, and the one place where a response
// field with a line break in it is stopped. Included by the transport's sources only.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/time.h"
#include "server/http_message.h"

namespace rapport {

using WireAnswer = boost::beast::http::response<boost::beast::http::string_body>;

// What the request and the connection say about the answer.
struct AnswerFrame {
  unsigned version = 11;
  bool head = false;  // asked with HEAD: the length of the body, without the body
  bool keep_alive = false;
  Timestamp now;
  bool checks_fields = true;  // off only in tests: shows what a line break in a field would do
};

// Fields that IsSafeResponseField refuses are left out; `*left_out` says how many.
WireAnswer MakeAnswer(Response&& from, const AnswerFrame& frame, size_t* left_out);

}  // namespace rapport
