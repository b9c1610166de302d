// Looks at a log of RocksDB (the write-ahead log, the manifest) for what RocksDB itself takes for a torn end and is
// none.
//
// The format (RocksDB's wiki, "Write Ahead Log File Format"): blocks of 32 KiB; in a block records of
//   crc32c of type and payload, masked (4)   length (2, little endian)   type (1)   payload (length)
// and zeros where less than a header is left. A record that claims more bytes than its file has is what a power cut
// leaves, and RocksDB drops it and the rest of its block without a word. The same picture comes from one flipped bit of
// a length, and then acknowledged writes would go. The checksum tells the two apart: when it is right for a length that
// differs in one bit, the bytes are all there and the length is damaged.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rapport {

// kDataLoss names the place; `name` is for the message. Damage that RocksDB finds itself is left to it.
Status CheckLogBytes(std::string_view bytes, const std::string& name);
// Every write-ahead log and manifest of a database's folder.
Status CheckLogs(const std::string& database_folder);

}  // namespace rapport
