/** Small drawings of a phone's status bar and of the wire, made for this page. */

export function Signal() {
  return (
    <svg class="icon" width="12" height="12" viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">
      <path d="M4 15h2.5v4H4zM8.7 12h2.5v7H8.7zM13.4 8.5h2.5V19h-2.5zM18 5h2.5v14H18z" />
    </svg>
  );
}

export function NoSignal() {
  return (
    <svg class="icon" width="12" height="12" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.5" stroke-linecap="round" aria-hidden="true">
      <path d="m6 6 12 12M18 6 6 18" />
    </svg>
  );
}

export function Battery() {
  return (
    <svg class="icon" width="16" height="12" viewBox="1 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" aria-hidden="true">
      <rect x="3" y="7" width="17" height="10" rx="2.5" />
      <path d="M22.5 10.5v3M6.5 10.5v3M9.800 10.5v3M13.100 10.5v3M16.400 10.5v3" />
    </svg>
  );
}

export function Arrow({ direction, label }: { direction: "out" | "in"; label: string }) {
  const path = direction === "out" ? "M6.5 17.5 17 7M9.5 7H17v7.5" : "M17.5 6.5 7 17M7 9.5V17h7.5";
  return (
    <svg class="icon" width="14" height="14" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" role="img" aria-label={label}>
      <title>{label}</title>
      <path d={path} />
    </svg>
  );
}
