// The section Clips and attention.

#include <algorithm>

#include "base/error.h"
#include "recipes/report_parts.h"

namespace tutti::recipes {
namespace {

std::string view(const std::string& content, const std::string& caption) {
  return text("<div><svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
              caption, "\">", content, "</svg><span>", caption, "</span></div>\n");
}

std::string picture(const std::string& uri, const std::string& id) {
  return text("<image", id.empty() ? "" : " id=\"" + id + "\"",
              " width=\"100\" height=\"100\" preserveAspectRatio=\"none\" href=\"", uri, "\"/>");
}

std::string clip(const ShownClip& shown, const RunReport& run, const std::string& id) {
  std::string html = text("<article class=\"clip\"><div><h3>", escape(shown.key),
                          "</h3>\n<p class=\"truth\">truth: ", escape(joined(shown.truth)), "</p>\n");
  for (const auto& guess : shown.predicted) {
    const bool yes = std::ranges::count(shown.truth, guess.name) > 0;
    html += text("<div class=\"guess", yes ? " yes" : "", "\" style=\"--v:", fixed(100 * guess.score, 0),
                 "%\">", escape(guess.name), "<span>", fixed(guess.score, 2), "</span></div>\n");
  }
  if (!shown.sound.empty())
    html += text("<audio controls=\"controls\" preload=\"none\" src=\"", shown.sound, "\"></audio>\n");
  const bool long_clip = run.features.frames > 256;
  html += text("</div><div class=\"views", long_clip ? " long" : "", "\">\n",
               view(picture(shown.spectrogram, id), text(fixed(shown.seconds, 2), " s")));
  for (std::size_t layer = 0; layer < shown.attention.size(); ++layer)
    html += view(text("<use href=\"#", id, "\"/>", picture(shown.attention[layer], "")),
                 text("layer ", layer + 1));
  return html + "</div></article>\n";
}

}  // namespace

std::string clips(const RunReport& run, const std::string& id) {
  if (run.clips.empty()) return "";
  const auto& features = run.features;
  const double seconds = static_cast<double>(features.frames) * features.frame_shift_ms / 1000;
  const double top =
      (features.high_hz > 0 ? features.high_hz : static_cast<double>(features.sample_rate) / 2) / 1000;
  std::string html = note(text(
      grouped(run.mistakes), " of ", grouped(run.count),
      " clips have a wrong class on top; the worst mistakes come first. Pictures: ", short_number(seconds),
      " s to the right, ", short_number(features.low_hz / 1000), " to ", short_number(top),
      " kHz upwards on the mel scale.",
      run.clips.front().attention.empty() ? ""
                                          : " Layers: where the rows that the head reads attend, mean over "
                                            "the heads; veiled is what they attend to "
                                            "less than to the brightest place."));
  if (!run.sound_note.empty()) html += note(escape(run.sound_note));
  html += "<div class=\"clips\">\n";
  for (std::size_t i = 0; i < run.clips.size(); ++i)
    html += clip(run.clips[i], run, text("clip", id, '-', i));
  return section("clips" + id, "Clips and attention", html + "</div>\n");
}

}  // namespace tutti::recipes
