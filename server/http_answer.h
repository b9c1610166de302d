// From an answer as handlers give it to the bytes on the wire: date, framing, and the one place where a response field
// with a line break in it is stopped. Included by the transport's sources only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/time.h"
#include "server/http_message.h"

namespace rapport {

// What the request and the connection say about the answer.
struct AnswerFrame {
  bool version_1_0 = false;
  bool head = false;  // asked with HEAD: the length of the body, without the body
  bool keep_alive = false;
  std::string_view date;      // HttpDate's
  bool checks_fields = true;  // off only in tests: shows what a line break in a field would do
};

// RFC 9110, 5.6.7: "Wed, 01 Dec 2010 08:26:00 GMT". Keeps the text of the last second; one owner.
class HttpDate {
 public:
  std::string_view At(Timestamp time);  // good until the next call

 private:
  int64_t second_ = -1;
  std::string text_;
};

// Status line, fields and the empty line, in place of what `head` held. Fields that IsSafeResponseField refuses are
// left out; returns how many. The body follows as it is when HasBody.
size_t WriteHead(const Response& response, const AnswerFrame& frame, std::string* head);
bool HasBody(const Response& response, const AnswerFrame& frame);

}  // namespace rapport
