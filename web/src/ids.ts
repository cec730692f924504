/** Ids that nobody else has. `crypto.randomUUID` is not there where the page comes by plain HTTP from another machine. */

export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
