// A signed-in person: where the access token comes from.

/** Sign in, and again when the token does not hold any more. An app would use /auth/refresh and keep no password. */
export function openSession(url, { email, password }) {
  let login = null;
  const signIn = async () => {
    const response = await fetch(`${url}/auth/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email, password }),
    });
    if (!response.ok) throw new Error(`The login was refused with ${response.status}.`);
    return (await response.json()).access_token;
  };
  // Everybody who asks at the same time shares one answer.
  return ({ refresh }) => {
    if (refresh) login = null;
    login ??= signIn().catch((error) => {
      login = null;
      throw error;
    });
    return login;
  };
}
