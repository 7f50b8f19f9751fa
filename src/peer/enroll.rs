//! Enrollment (MS-MDE2) of both simulators: the server with its own CA, and the device as Windows does it.

pub mod certificate;
pub mod csr;
pub mod device;
pub mod key;
pub mod server;
mod soap;

pub use certificate::EnrollmentCa;
pub use csr::CsrForm;
pub use device::{EnrollProfile, EnrollingDevice, Enrollment, RefusedAnswer, Step};
pub use key::PrivateKey;
pub use server::{EnrollServer, Login, PresentedCertificate, Sites, User};
