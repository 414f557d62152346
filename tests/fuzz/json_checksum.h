#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "data/checksum.h"

namespace tutti {

// A JSON object with the checksum over its text in "xxh3", so that a reader which refuses others goes on to
// look at the content. `indent` is that of the text; what is no object comes back as it is.
inline std::string with_checksum(std::string_view bytes, int indent) {
  using Json = nlohmann::ordered_json;
  constexpr int most_levels = 64;  // dump() recurses
  const auto shallow = [](int depth, Json::parse_event_t, const Json&) { return depth < most_levels; };
  auto json = Json::parse(bytes, shallow, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::string(bytes);
  json.erase("xxh3");
  const std::string content = json.dump(indent);
  json["xxh3"] = data::hex(data::xxh3(std::as_bytes(std::span(content))));
  return json.dump(1) + "\n";
}

}  // namespace tutti
