// `rapport assign`: rooms, seats or call slots to guests, as POST /v1/assignments answers. Reads the store, or the
// checkpoint of the server that holds it; keeps nothing.
#include "base/file.h"
#include "base/limits.h"
#include "server/assignment_json.h"
#include "server/commands/contact_engine.h"
#include "server/commands/store_access.h"

namespace rapport {
namespace {

struct AssignArguments {
  std::string folder, file;
  bool json = false;
};

Status RunAssign(const AssignArguments& arguments, Terminal& terminal) {
  const Result<std::string> text = ReadFile(arguments.file, limits::kHttpBodyBytesMax);
  if (!text.ok()) return text.status();
  const Result<AssignRequest> request = ReadAssignRequest(*text, terminal.clock.Now());
  if (!request.ok()) return Status(request.status().code(), arguments.file + ": " + request.status().message());
  const Result<std::unique_ptr<StoreSession>> session =
      StoreSession::Open(arguments.folder, StorePurpose::kRead, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  const Result<ContactEngine> contact = OpenContactEngine((*session)->store(), "assign", terminal);
  if (!contact.ok()) return contact.status();
  const Result<AssignAnswer> answer = contact->engine->Assign(*request);
  if (!answer.ok()) return Status(answer.status().code(), arguments.file + ": " + answer.status().message());
  const std::string told =
      arguments.json ? AssignAnswerToJson(*request, *answer) + "\n" : AssignAnswerToText(*request, *answer);
  std::fputs(told.c_str(), terminal.out);
  return Status::Ok();
}

}  // namespace

void AddAssignCommand(Commands& commands) {
  auto arguments = std::make_shared<AssignArguments>();
  CLI::App* command = commands.Add("assign", "Gives rooms, seats or call slots to guests, and says why",
                                   "rapport assign --data hotel arrivals.json",
                                   [arguments](Terminal& terminal) { return RunAssign(*arguments, terminal); });
  command->add_option("--data", arguments->folder, "the store's folder")->required();
  command->add_option("FILE", arguments->file, "JSON like the body of POST /v1/assignments")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_flag("--json", arguments->json, "the answer as the route gives it");
}

}  // namespace rapport
