export function Brand() {
  return (
    <span className="brand">
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect className="brand-tile" width="32" height="32" rx="8" />
        <path className="brand-bow" d="M9 16.5c0-3.9 3.1-7 7-7s7 3.1 7 7" />
        <rect className="brand-body" x="7" y="15.5" width="18" height="9.5" rx="3" />
        <circle className="brand-tile" cx="16" cy="20.2" r="1.9" />
      </svg>
      <span>
        bff <span className="brand-sub">console</span>
      </span>
    </span>
  );
}
