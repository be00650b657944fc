// What an operator may set for this executor. Knows nothing of the contract, so its tests run in any Node.

export const SCHEMA = {
  type: "object",
  properties: {
    file: { type: "string", description: "Where in the workspace the text goes.", default: "ECHO.md" },
    ask: { type: "boolean", description: "Ask before writing.", default: false },
    pause_ms: { type: "integer", minimum: 0, description: "How long the work takes.", default: 0 },
    suspend_ms: { type: "integer", minimum: 0, description: "Suspend once for so long.", default: 0 },
    fail: { type: "boolean", description: "Fail at the end.", default: false },
  },
};

/** The settings make no sense. The message names the key. */
export class SettingsError extends Error {}

/** Reads a JSON object. Keys this version does not know are ignored, as the contract asks. */
export function parseSettings(text) {
  let given;
  try {
    given = JSON.parse(text || "{}");
  } catch (error) {
    throw new SettingsError(`the settings are not JSON: ${error.message}`);
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new SettingsError("the settings are not a JSON object");
  }
  const settings = {};
  for (const [name, { type, default: value }] of Object.entries(SCHEMA.properties)) {
    settings[name] = Object.hasOwn(given, name) ? checked(name, type, given[name]) : value;
  }
  if (!isInside(settings.file)) {
    throw new SettingsError(`\`file\` has to be a path inside the workspace, not \`${settings.file}\``);
  }
  return settings;
}

function checked(name, type, value) {
  const fits = type === "integer" ? Number.isSafeInteger(value) && value >= 0 : typeof value === type;
  if (!fits) throw new SettingsError(`\`${name}\` has to be a ${type}, not ${JSON.stringify(value)}`);
  return value;
}

function isInside(path) {
  return path !== "" && !path.startsWith("/") && !path.includes("\\") && !path.split("/").includes("..");
}
