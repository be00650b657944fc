// Files of the workspace, through WASI 0.2: QuickJS has no file API of its own.
import preopens from "wasi:filesystem/preopens@0.2.12";

/** The directory that the host opened under `path`. */
export function openDirectory(path) {
  const found = preopens.getDirectories().find(([, name]) => name === path);
  if (found === undefined) throw new Error(`the host opened no directory \`${path}\``);
  return found[0];
}

/** Writes a text file in place of what is there. */
export function writeFile(directory, path, text) {
  let file;
  try {
    const flags = { create: true, truncate: true, directory: false, exclusive: false };
    file = directory.openAt({ symlinkFollow: false }, path, flags, { write: true, read: false });
    const bytes = utf8(text);
    for (let written = 0; written < bytes.length;) written += file.write(bytes.subarray(written), written);
  } catch (code) {
    // A WASI error is thrown as what it is: the word for it, such as `not-permitted`.
    throw code instanceof Error ? code : new Error(String(code));
  } finally {
    file?.[Symbol.dispose]();
  }
}

/** QuickJS has no `TextEncoder`. */
function utf8(text) {
  const units = unescape(encodeURIComponent(text.toWellFormed()));
  return Uint8Array.from(units, (unit) => unit.charCodeAt(0));
}
