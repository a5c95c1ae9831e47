// Texts of the screens of services, alerts, ledger and notifications.
export const vi = {
} as const;

export const en: Record<keyof typeof vi, string> = {
};
